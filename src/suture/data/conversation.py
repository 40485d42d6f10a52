r"""A request with what was said before it, and the chats that rows of files hold, whoever wrote them.

messages, conversations, dialogue ..      [{"role" | "from": ..., "content" | "value": ...}, ..]     OpenAI, ShareGPT
prompt + completion                       texts, or lists of messages
instruction (+ input) + output, system    Alpaca
a list of messages, or a text of turns    "\n\nHuman: ...\n\nAssistant: ..." (HH-RLHF)
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..errors import DataError
from ..io.rows import described

Turn = tuple[str, str]  # role and text
SPELLED = {
    "user": "user human prompter",
    "assistant": "assistant gpt chatgpt bot chatbot model ai",
    "system": "system developer",
}
ROLES = {name: role for role, names in SPELLED.items() for name in names.split()}
CHATS = ("messages", "conversations", "conversation", "dialogue", "dialog", "turns")
ASKED = ("prompt", "question", "instruction", "request", "query")
ANSWERED = ("answer", "response", "output", "completion")
CALLS = ("tool_calls", "function_call")
BETWEEN = "\n\n---\n\n"  # a context and what is asked about it, as in HarmBench
SAID = re.compile(r"(?:^|\n\n)(Human|Assistant): ?")  # HH-RLHF
FORM = '{"prompt": ..., "answer": ...}, or {"messages": [{"role": "user", "content": ...}, ...]}'


class Conversation(str):
    """A request behind other turns: a text, for whoever shows or compares it, that knows its turns, for the chat template.

    Example:
        >>> request = Conversation([("system", "Be kind."), ("user", "Who are you?")])
        >>> request.turns[-1]
        ('user', 'Who are you?')
    """

    turns: tuple[Turn, ...]

    def __new__(cls, turns: Sequence[Turn]) -> Conversation:
        """Make one of its turns, the last of which is the request."""
        made = super().__new__(cls, "\n\n".join(f"{role}: {text}" for role, text in turns))
        made.turns = tuple(turns)
        return made

    def __reduce__(self) -> tuple[type[Conversation], tuple[tuple[Turn, ...]]]:
        """Return what a copy is made of."""
        return Conversation, (self.turns,)


def request(turns: Sequence[Turn]) -> str:
    """Return turns that end with a request as one prompt: the text itself where nothing was said before it."""
    return turns[0][1] if len(turns) == 1 and turns[0][0] == "user" else Conversation(turns)


def behind(prompt: str, suffix: str) -> str:
    """Return a prompt with a text behind its request."""
    if not isinstance(prompt, Conversation):
        return f"{prompt} {suffix}"
    *before, (role, text) = prompt.turns
    return Conversation([*before, (role, f"{text} {suffix}")])


def before(prompt: str, text: str) -> str:
    """Return a prompt with a text right before its request."""
    if not isinstance(prompt, Conversation):
        return text + prompt
    *earlier, (role, asked_for) = prompt.turns
    return Conversation([*earlier, (role, text + asked_for)])


def instructed(prompt: str, system: str) -> Conversation:
    """Return a prompt behind a system text; one that it has already goes on with it, as templates take one alone."""
    turns = list(prompt.turns) if isinstance(prompt, Conversation) else [("user", prompt)]
    if turns[0][0] == "system":
        system = f"{system}\n{turns.pop(0)[1]}"
    return Conversation([("system", system), *turns])


def messages_of(prompt: str) -> list[dict[str, str]]:
    """Return a prompt as the messages that a chat template reads."""
    turns = prompt.turns if isinstance(prompt, Conversation) else (("user", prompt),)
    return [{"role": role, "content": text} for role, text in turns]


def turns_of(value: Any, where: str) -> list[Turn]:  # noqa: ANN401 - a value of a file
    """Return the turns of a list of messages or of a text of turns.

    Args:
        value: of a file.
        where: begins the complaints.

    Raises:
        DataError: for what is no turn, naming which.
    """
    if isinstance(value, str):
        return _spoken(value, where)
    if not isinstance(value, list | tuple) or not value:
        raise DataError(f"{where}: no messages", fix=f"Write {FORM}.")
    return [_turn(message, f"{where}, message {number}") for number, message in enumerate(value, 1)]


def is_chat(value: object) -> bool:
    """Return whether a value is a list of messages."""
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and isinstance(value[0], Mapping)
        and {"role", "from"} & {*value[0]} != set()
    )


def chat_of(row: Any, where: str) -> tuple[list[Turn], frozenset[str]] | None:  # noqa: ANN401 - a row of a file
    """Return the turns that a row holds, an answer last, and the keys they are under; None for what is no chat.

    Raises:
        DataError: beginning with `where`, for a chat with a turn that is none.
    """
    if is_chat(row):
        return turns_of(row, where), frozenset()
    if not isinstance(row, Mapping):
        return None
    row = unpacked(row)
    if key := next((key for key in CHATS if isinstance(row.get(key), list)), ""):
        system = system_of(row)
        return [*system, *turns_of(row[key], f"{where}, {key}")], frozenset((key, *(["system"] if system else [])))
    asked_key = next((key for key in ASKED if key in row), "")
    answer_key = next((key for key in ANSWERED if key in row), "")
    if not asked_key or not answer_key:
        return None
    before, more = _request_turns(row, asked_key, where)
    answer, system = row[answer_key], system_of(row)
    if not (answer is None or isinstance(answer, str) or is_chat(answer)):
        raise DataError(f"{where}, {answer_key}: not a text", why=described(answer), fix="Write one text, in quotes.")
    if is_chat(answer):
        after = turns_of(answer, f"{where}, {answer_key}")
    else:
        after = [("assistant", answer)] if isinstance(answer, str) and answer.strip() else []
    if not before or not after:
        return None
    used = frozenset((asked_key, answer_key, *more, *(["system"] if system else [])))
    return [*system, *before, *after], used


def unpacked(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a row whose chats are lists, also where they stand as JSON in the cells of a table."""
    cells = {key: row[key] for key in CHATS if isinstance(row.get(key), str) and row[key].lstrip().startswith("[{")}
    for key, cell in cells.items():
        try:
            row = {**row, key: json.loads(cell)}
        except (ValueError, RecursionError):
            continue  # a text that begins so
    return row


def _request_turns(row: Mapping[str, Any], key: str, where: str) -> tuple[list[Turn], tuple[str, ...]]:
    """Return the turns of a request under its key, none where it holds none, and what else of the row is in them."""
    asked_for = row[key]
    if is_chat(asked_for):
        return turns_of(asked_for, f"{where}, {key}"), ()
    if not (asked_for is None or isinstance(asked_for, str)):
        raise DataError(f"{where}, {key}: not a text", why=described(asked_for), fix="Write one text, in quotes.")
    if not asked_for or not asked_for.strip():
        return [], ()
    also: tuple[str, ...] = ()
    if isinstance(context := row.get("context"), str) and context.strip():  # as in Dolly
        asked_for, also = f"{context.strip()}{BETWEEN}{asked_for}", ("context",)
    more = row.get("input") if key == "instruction" else None
    if isinstance(more, str) and more.strip():
        return [("user", f"{asked_for}\n{more}")], ("input", *also)
    return [("user", asked_for)], also


def system_of(row: Mapping[str, Any]) -> list[Turn]:
    """Return the system text that stands beside a chat."""
    text = row.get("system")
    return [("system", text)] if isinstance(text, str) and text.strip() else []


def exchanges(turns: Sequence[Turn], where: str, silent: Collection[int] = ()) -> list[tuple[str, str]]:
    """Return every answer in a conversation with the request before it, which knows what came before.

    Args:
        turns: of it.
        where: begins the complaints.
        silent: turns that are no lessons, counted from the end (-1 is the last).

    Raises:
        DataError: beginning with `where`, when nobody answers, or a turn of the user has no answer.
    """
    for (role, _), (following, _) in zip(turns, [*turns[1:], ("", "")], strict=True):
        if role == "user" and following != "assistant":
            why = "A message of the user has no answer behind it."
            raise DataError(
                f"{where}: not an exchange", why=why, fix="Let user and assistant take turns; end with the answer."
            )
        if role == "assistant" and following == "assistant":
            raise DataError(f"{where}: not an exchange", why="Two answers stand in a row.", fix="Join or remove one.")
    answers = [
        index
        for index, (role, _) in enumerate(turns)
        if role == "assistant" and index and turns[index - 1][0] == "user"
    ]
    if not answers or turns[0][0] == "assistant":
        raise DataError(f"{where}: not an exchange", why="It does not begin with a request.", fix=f"Write {FORM}.")
    return [(request(turns[:index]), turns[index][1]) for index in answers if index - len(turns) not in silent]


def speaker(message: Mapping[str, Any]) -> str:
    """Return the role of a message; "" when it is not known."""
    return ROLES.get(str(message.get("role", message.get("from"))).lower(), "")


def _turn(message: Any, where: str) -> Turn:  # noqa: ANN401 - a value of a file
    if not isinstance(message, Mapping):
        raise DataError(f"{where}: not an object", fix='Write {"role": "user", "content": ...}.')
    role = message.get("role", message.get("from"))
    if not isinstance(role, str) or role.lower() not in ROLES:
        known = "system, user, assistant (or human, gpt)"
        raise DataError(f"{where}: the role {role!r} is not known", why=f"Known: {known}.", fix="Leave such rows out.")
    content = next((message[key] for key in ("content", "value", "text") if key in message), None)
    if isinstance(content, list):
        content = _parts(content, where)
    if not content and (call := next((key for key in CALLS if message.get(key)), "")):
        raise DataError(f"{where}: it calls a tool ({call})", why="Only texts are learnt.", fix="Leave such rows out.")
    if not isinstance(content, str) or not content.strip():
        raise DataError(f"{where}: no text", why=described(message), fix="Fill it in or remove the row.")
    return ROLES[role.lower()], content


def _parts(parts: Sequence[Any], where: str) -> str:
    """Return the text of a message in parts."""
    texts = []
    for part in parts:
        text = part.get("text") if isinstance(part, Mapping) else part
        if not isinstance(text, str):
            kind = part.get("type") if isinstance(part, Mapping) else part
            raise DataError(f"{where}: a part that is no text", why=f"It is {kind!r}.", fix="Leave such rows out.")
        texts.append(text)
    return "".join(texts)


def _spoken(text: str, where: str) -> list[Turn]:
    """Return the turns of a text that names who speaks."""
    speakers = list(SAID.finditer(text))
    if not speakers or text[: speakers[0].start()].strip():
        raise DataError(f"{where}: no turns", why="It does not begin with 'Human: '.", fix=f"Write {FORM}.")
    ends = [*(match.start() for match in speakers[1:]), len(text)]
    turns = [
        (ROLES[match[1].lower()], text[match.end() : end].strip()) for match, end in zip(speakers, ends, strict=True)
    ]
    if empty := next((number for number, (_, said) in enumerate(turns, 1) if not said), 0):
        raise DataError(f"{where}: no text in turn {empty}", fix="Fill it in or remove the row.")
    return turns
