r"""A request with what was said before it, and the chats that rows of files hold, whoever wrote them.

messages, conversations, contents ..           lists of messages (`turns`)
prompt + completion                            texts, or lists of messages
instruction (+ input) + output                 Alpaca; + system; + history: [["request", "answer"], ..] (LlamaFactory)
a list of messages, or a text of turns         see `turns`
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..errors import DataError
from ..io.rows import described
from .turns import CHATS, FORM, Turn, is_chat, turns_of, unpacked

ASKED = ("prompt", "question", "instruction", "request", "query")
ANSWERED = ("answer", "response", "output", "completion")
SYSTEM = ("system", "system_prompt", "systemInstruction", "system_instruction")
BETWEEN = "\n\n---\n\n"  # a context and what is asked about it, as in HarmBench


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
    earlier, used = earlier_of(row, where)
    if key := next((key for key in CHATS if isinstance(row.get(key), list)), ""):
        if key == "turns" and row[key] and all(isinstance(text, str) for text in row[key]):
            return None  # requests alone, as in MT-Bench
        return [*earlier, *turns_of(row[key], f"{where}, {key}")], used | {key}
    if key := next((key for key in CHATS if isinstance(row.get(key), Mapping)), ""):
        raise DataError(f"{where}, {key}: not a list of messages", why="It is one object.", fix=f"Write {FORM}.")
    asked_key = next((key for key in ASKED if key in row), "")
    answer_key = next((key for key in ANSWERED if key in row), "")
    if not asked_key or not answer_key:
        return None
    before, more = _request_turns(row, asked_key, where)
    answer = row[answer_key]
    if not (answer is None or isinstance(answer, str) or is_chat(answer)):
        raise DataError(f"{where}, {answer_key}: not a text", why=described(answer), fix="Write one text, in quotes.")
    if is_chat(answer):
        after = turns_of(answer, f"{where}, {answer_key}")
    else:
        after = [("assistant", answer)] if isinstance(answer, str) and answer.strip() else []
    if not before or not after:
        return None
    return [*earlier, *before, *after], used | {asked_key, answer_key, *more}


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


def earlier_of(row: Mapping[str, Any], where: str) -> tuple[list[Turn], frozenset[str]]:
    """Return the turns that stand beside a request, before it: the system text and a history; and the keys they are under.

    Raises:
        DataError: beginning with `where`, for a history that is no list of requests with their answers.
    """
    turns, used = [], set()
    for key in SYSTEM:
        value = row.get(key)
        if isinstance(value, Mapping) and "parts" in value:  # Gemini's
            value = turns_of([{**value, "role": "system"}], f"{where}, {key}")[0][1]
        if isinstance(value, str) and value.strip():
            turns.append(("system", value))
            used.add(key)
            break
    history = row.get("history")
    if isinstance(history, list) and history:
        used.add("history")
        if is_chat(history):
            return [*turns, *turns_of(history, f"{where}, history")], frozenset(used)
        for pair in history:
            if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(map(_is_text, pair)):
                fix = 'Write [["request", "answer"], ...].'
                raise DataError(f"{where}, history: not requests with their answers", fix=fix)
            turns += [("user", pair[0]), ("assistant", pair[1])]
    return turns, frozenset(used)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


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
