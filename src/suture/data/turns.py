r"""The turns of a chat in a file: who says what, whoever wrote it.

[{"role" | "from": ..., "content" | "value" | "text": ...}, ..]      OpenAI, ShareGPT, and many after them
[{"role": "user" | "model", "parts": [{"text": ...}, ..]}, ..]       Gemini
"\n\nHuman: ...\n\nAssistant: ..."                                   HH-RLHF
In a cell of a table a list stands as JSON, or as Python and pandas print it.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
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
CHATS = ("messages", "conversations", "conversation", "dialogue", "dialog", "turns", "contents")
LISTS = (*CHATS, "history")  # lists, whatever is in them
CALLS = ("tool_calls", "function_call")
SAID = re.compile(r"(?:^|\n\n)(Human|Assistant): ?")  # HH-RLHF
PRINTED = re.compile(r"\}\s*\n\s*\{")  # between objects where NumPy prints them, without a comma
FORM = '{"prompt": ..., "answer": ...}, or {"messages": [{"role": "user", "content": ...}, ...]}'


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
    messages = [(number, message) for number, message in enumerate(value, 1) if not _says_nothing(message)]
    return [_turn(message, f"{where}, message {number}") for number, message in messages]


def is_chat(value: object) -> bool:
    """Return whether a value is a list of messages."""
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and isinstance(value[0], Mapping)
        and bool({"role", "from", "parts"} & {*value[0]})
    )


def speaker(message: Mapping[str, Any]) -> str:
    """Return the role of a message; "" when it is not known. Gemini's need not name the user."""
    role = message.get("role", message.get("from", "user" if "parts" in message else None))
    return ROLES.get(role.lower(), "") if isinstance(role, str) else ""


def unpacked(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a row whose chats are lists, also where they stand as text in the cells of a table."""
    lists = {}
    for key, cell in row.items():
        if not isinstance(cell, str) or cell.lstrip()[:1] not in ("[", "{"):
            continue
        value = _printed(cell)
        if is_chat(value) or is_chat([value]) or (key in LISTS and isinstance(value, list)):
            lists[key] = value
    return {**row, **lists} if lists else row


def _printed(cell: str) -> Any:  # noqa: ANN401 - a value of a file
    """Return what a cell says in JSON, or as Python or pandas print it; None for what is neither."""
    for read in (json.loads, lambda text: ast.literal_eval(PRINTED.sub("},\n{", text.strip()))):
        try:
            return read(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def _turn(message: Any, where: str) -> Turn:  # noqa: ANN401 - a value of a file
    if not isinstance(message, Mapping):
        raise DataError(f"{where}: not an object", fix='Write {"role": "user", "content": ...}.')
    role = speaker(message)
    if not role:
        name, known = message.get("role", message.get("from")), "system, user, assistant (or human, gpt)"
        raise DataError(f"{where}: the role {name!r} is not known", why=f"Known: {known}.", fix="Leave such rows out.")
    content = next((message[key] for key in ("content", "value", "text", "parts") if key in message), None)
    if isinstance(content, list | Mapping):
        content = _parts(content if isinstance(content, list) else [content], where)
    if not content and (call := next((key for key in CALLS if message.get(key)), "")):
        raise DataError(f"{where}: it calls a tool ({call})", why="Only texts are learnt.", fix="Leave such rows out.")
    if not isinstance(content, str) or not content.strip():
        raise DataError(f"{where}: no text", why=described(message), fix="Fill it in or remove the row.")
    return role, content


def _says_nothing(message: object) -> bool:
    """Return whether a message is a system text that is empty, as many trainers write it into every chat."""
    return isinstance(message, Mapping) and speaker(message) == "system" and message.get("content", 0) in ("", None)


def _parts(parts: Sequence[Any], where: str) -> str:
    """Return the text of a message in parts."""
    texts = []
    for part in parts:
        text = part.get("text") if isinstance(part, Mapping) else part
        if not isinstance(text, str):
            kind = part.get("type") or next(iter(part), None) if isinstance(part, Mapping) else part
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
