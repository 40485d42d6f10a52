"""What a row of a file asks of a model: its prompt, with the context it stands in or the attack it is wrapped in.

    a text, or an object with one of PROMPT_COLUMNS     the prompt; {"text": ...} below it as in RealToxicityPrompts
    + ContextString, context                            stands before the prompt, as HarmBench asks its contextual behaviours
    + input, behind "instruction"                       belongs to it, as in Alpaca
    + adversarial prompt, jailbreak, ..                 is asked instead; the question in it is kept beside
    messages, contents, a list of messages              the last request, behind what was said before it
    turns, a list of texts (MT-Bench)                   the first; the others follow answers, which the file does not hold
    + system, history (LlamaFactory)                    stand before the prompt
    message_id, parent_id, role, text (Open Assistant)  what the prompter says, behind what it answers
    a fact (`fact_formats`)                             its prompt; the questions of MQuAKE
    question + attack name + input                      the same, of NLPCC 2024's files of SafeEdit

Source: Mazeika et al. 2024, "HarmBench: A Standardized Evaluation Framework for Automated Red Teaming and Robust Refusal",
for how context and behaviour are joined; Wang et al. 2024 (SafeEdit) for attacks around a question.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..io.rows import Row, described, rows
from ..io.unread import Unread
from ..text.letters import places
from .conversation import BETWEEN, earlier_of, request
from .trees import KNOWN, is_reply, threads
from .turns import CHATS, Turn, is_chat, speaker, turns_of, unpacked

PROMPT_COLUMNS = tuple(
    "prompt instruction text goal Goal Behavior behavior forbidden_prompt question request query sentence content vanilla "
    "comment_text comment review tweet user_input prompts".split()
)
CONTEXT_COLUMNS = ("ContextString", "context")
ATTACK_COLUMNS = (
    "adversarial prompt",
    "adversarial_prompt",
    "adversarial",
    "jailbreak_prompt",
    "attack_prompt",
    "jailbreak",
    "attack",
)
PLAIN_COLUMNS = ("question", "vanilla", "goal", "Goal", "Behavior", "prompt")
FLAGS = frozenset("true false yes no y n t f 0 1 0.0 1.0 none null nan n/a".split())
UNASKED = frozenset(  # what rows of prompts hold beside them: answers, and what describes a row
    "behavior behaviorid functionalcategory semanticcategory unsafetycategory attackname attackcategory label focus note notes "
    "target answer answers output response completion safegeneration unsafegeneration knowledgeconstrain generalizationtest "
    "continuation challenging subject topic taskid hash reference questionid".split()
)


@dataclass(frozen=True)
class Asked:
    """What a row asks.

    Attributes:
        text: the prompt.
        plain: the question inside an attack, without it; "" when there is none.
        used: keys of the row that are in either.
    """

    text: str
    plain: str = ""
    used: frozenset[str] = frozenset()


def prompts_of(source: str | Path) -> list[Asked]:
    """Return what the rows of a file ask, see `Texts.load`; what they hold besides is told of.

    Raises:
        DataError: naming file, line and column.
    """
    prompts, unread, listed = [], Unread(source), list(rows(source))
    for row, prompt in _asked_by(listed, str(source), unread):
        unread.see(row, prompt.used | UNASKED)
        if prompt.text:
            prompts.append(prompt)
        else:
            unread.left_out["without a text"] += 1
    if not prompts:
        if listed:
            raise DataError(f"{source} asks nothing", why="No row of it has a prompt.", fix="Give a text a line.")
        raise DataError(f"{source} is empty", fix="Give a text a line.")
    unread.rows = len(listed)
    unread.tell()
    return prompts


def _asked_by(listed: Sequence[Row], source: str, unread: Unread) -> Iterator[tuple[Any, Asked]]:
    """Yield (row, prompt) of a file; what of its rows can not be asked by itself is counted."""
    if listed and all(is_reply(row.value) for row in listed):
        for _, row, turns in threads(listed, source):
            if turns[-1][0] == "user":
                yield row, Asked(request(turns), "", KNOWN)
            else:
                unread.left_out["answers of the assistant"] += 1
        return
    for place, row in listed:
        if isinstance(row, Mapping):
            if questions := _several(row, "questions" if "requested_rewrite" in row else "turns"):
                used = frozenset(("questions", "requested_rewrite", "turns"))
                if "requested_rewrite" in row:  # MQuAKE's ask the same in other words
                    yield from ((row, Asked(text, "", used | {*row})) for text in questions)
                else:
                    if len(questions) > 1:
                        unread.left_out["turns that follow an answer, which is not there"] += len(questions) - 1
                    yield row, Asked(questions[0], "", used)
                continue
            if speaker(row) == "assistant" and not {*row} & {*PROMPT_COLUMNS} - {"text", "content"}:
                unread.left_out["answers of the assistant"] += 1
                continue
        yield row, asked(row, f"{source}, {place}")


def _several(row: Mapping[str, Any], key: str) -> list[str]:
    """Return the texts below a key that holds a list of them, an empty list for anything else."""
    texts = unpacked(row).get(key)
    if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
        return [text.strip() for text in texts if text.strip()]
    return []


def asked(row: Any, where: str) -> Asked:  # noqa: ANN401 - a row of a file
    """Return what a row asks.

    Args:
        row: a text or an object.
        where: begins the complaint: a file and line.

    Raises:
        DataError: when there is no prompt, or it is no text.
    """
    if is_chat(row):
        return Asked(_last_request(row, where))
    if not isinstance(row, Mapping):
        return Asked(_text(row, where))
    if speaker(row) == "user" and isinstance(row.get("content"), list):  # one message, in parts
        return Asked(_last_request([row], where), "", frozenset(("role", "content")))
    row = unpacked(row)
    earlier, said = earlier_of(row, where)
    if chat := next((key for key in (*CHATS, "prompt", "context") if is_chat(row.get(key))), ""):
        return Asked(_last_request(row[chat], f"{where}, {chat}", earlier), "", said | {chat})
    if attack := _attack(row):
        plain = next((name for name in PLAIN_COLUMNS if isinstance(row.get(name), str) and name != attack), "")
        return Asked(
            _text(row[attack], f"{where}, {attack}"),
            row[plain].strip() if plain else "",
            frozenset((attack, plain)) - {""},
        )
    name = next((name for name in PROMPT_COLUMNS if name in row), None)
    if isinstance(rewrite := row.get("requested_rewrite"), Mapping):
        name, row = (
            "requested_rewrite",
            {**row, "requested_rewrite": rewrite.get("prompt"), "subject": rewrite.get("subject")},
        )
    if name is None:
        why = described(row)
        raise DataError(f"{where}: no prompt", why=why, fix=f"Call the column one of {', '.join(PROMPT_COLUMNS)}.")
    text, used = _text(row[name], f"{where}, {name}"), {name}
    if "{}" in text and _has_text(row.get("subject")):
        text, used = text.replace("{}", row["subject"].strip()), used | {"subject"}
    if name == "instruction" and _has_text(row.get("input")):
        text, used = f"{text}\n{row['input'].strip()}", used | {"input"}
    for context in CONTEXT_COLUMNS:
        if text and _has_text(row.get(context)):
            text, used = f"{row[context].strip()}{BETWEEN}{text}", used | {context}
    if text and earlier:
        text, used = request([*earlier, ("user", text)]), used | said
    return Asked(text, "", frozenset(used))


def _attack(row: Mapping[str, Any]) -> str:
    """Return the key of the attack that is wrapped around the question of a row, "" without any."""
    if key := next((name for name in ATTACK_COLUMNS if _has_text(row.get(name)) and not _flag(row[name])), ""):
        return key
    question, wrapped = row.get("question"), row.get("input")
    if isinstance(question, str) and isinstance(wrapped, str) and _has_text(wrapped):
        return "input" if "attack name" in row or places(wrapped, question.strip()) else ""
    return ""


def _last_request(messages: Any, where: str, earlier: Sequence[Turn] = ()) -> str:  # noqa: ANN401 - a value of a file
    """Return the last request of a chat, behind what was said before it; an answer behind it is not asked."""
    turns = [*earlier, *turns_of(messages, where)]
    last = max((index for index, (role, _) in enumerate(turns) if role == "user"), default=None)
    if last is None:
        raise DataError(f"{where}: no message of the user", fix="Give a chat with a request.")
    return request(turns[: last + 1])


def _flag(value: str) -> bool:
    """Return whether a text is a yes or no, as a column that says whether a prompt is an attack has."""
    return value.strip().casefold() in FLAGS


def _has_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _text(value: Any, where: str) -> str:  # noqa: ANN401 - a cell of a file
    if isinstance(value, Mapping):
        value = value.get("text")
    if value is None:  # what a table has for no text
        return ""
    if not isinstance(value, str):
        raise DataError(f"{where}: not a text", fix="Make it a string or remove it.")
    return value.strip()
