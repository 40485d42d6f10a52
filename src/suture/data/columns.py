"""Labelled texts in the rows of a file: which column holds the text, which the label, and which label is the unwanted one.

Rows that hold two answers, a better and a worse, are two labelled texts (`preferences`); rows of a chat are labelled by their
answer (`conversation`). A label is a number 0 or 1, a word, or a score from `threshold` on. A label whose column names what was
judged ("response_harm_label") goes with that column. Every complaint names file and place.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import DataError
from ..io.rows import Row, described
from ..io.unread import Unread
from .conversation import chat_of, request
from .examples import Labelled
from .preferences import preference_of
from .turns import CHATS, is_chat, unpacked

WANTED = frozenset({"0", "false", "no", "wanted", "safe", "non-toxic", "nontoxic", "not toxic", "negative class",
                    "harmless", "unharmful", "not harmful", "non-harmful"})  # fmt: skip
UNWANTED = frozenset({"1", "true", "yes", "unwanted", "unsafe", "toxic", "harmful"})
TEXT_COLUMNS = ("text", "response", "comment_text", "comment", "sentence", "content", "completion", "answer", "output", "review",
                "tweet", "user_input")  # fmt: skip
LABEL_COLUMNS = ("label", "labels", "is_toxic", "toxic", "unwanted", "class", "toxicity", "target", "score", "is_safe")
PROMPT_COLUMNS = ("prompt", "question", "instruction", "request")
DECIMAL_COMMA = re.compile(r"0,\d+|1,0+")  # a share, as spreadsheets write it in half of the world
JUDGED = {  # columns of labels -> the text that each is about (WildGuardMix, Aegis); answers before requests
    "response_harm_label": "response", "response_label": "response", "prompt_harm_label": "prompt", "prompt_label": "prompt",
    "response_refusal_label": "response",
}  # fmt: skip
GAPS = (None, "")
SHOWN = 8  # labels that a complaint lists
FORM = '{"text": ..., "label": 0 or 1}'


@dataclass(frozen=True)
class Reading:
    """How the labels of a file are read.

    Attributes:
        text: name of the text's column; by default one of TEXT_COLUMNS.
        label: name of the label's column; by default one of LABEL_COLUMNS.
        unwanted: the label that means unwanted; by default one of UNWANTED.
        threshold: the score from which a text is unwanted.
        judged: whether text and label are a pair of JUDGED; rows without one of them are left out.
    """

    text: str | None = None
    label: str | None = None
    unwanted: str | None = None
    threshold: float | None = None
    judged: bool = False


def labelled(rows: Iterable[Row], source: str, reading: Reading) -> list[Labelled]:
    """Return the labelled texts of rows; what they hold besides is told of.

    Args:
        rows: of a file.
        source: begins the complaints.
        reading: which column is what.

    Raises:
        DataError: naming file, place and column.
    """
    texts: list[Labelled] = []
    values: Counter[str] = Counter()
    unread, listed = Unread(source), list(rows)
    reading = _judged(listed, reading)
    for place, row in listed:
        where = f"{source}, {place}"
        if reading.judged and isinstance(row, Mapping) and not _judges(row, reading.text, reading.label):
            unread.see(row, (*JUDGED, *PROMPT_COLUMNS))
            unread.left_out[f"without {reading.text} or {reading.label}"] += 1
            continue
        texts += _of_row(row, where, reading, unread, values)
    if not unread.rows:
        raise DataError(f"{source} is empty", fix="Give labelled texts, a line each.")
    if reading.unwanted is not None and _word(reading.unwanted) not in values and values:
        shown = [f"{value} ({count})" for value, count in values.most_common(SHOWN)]
        more = f", and {len(values) - SHOWN} others" if len(values) > SHOWN else ""
        raise DataError(
            f"{source}: no text has the label {reading.unwanted!r}",
            why=f"Its labels are {', '.join(shown)}{more}.",
            fix="Name one of them: `unwanted=VALUE`",
        )
    unread.tell()
    return texts


def _judged(rows: Sequence[Row], reading: Reading) -> Reading:
    """Return how a file is read whose labels name what they are about; as it was given for any other."""
    if reading.text:
        return reading
    records = [row.value for row in rows if isinstance(row.value, Mapping)]
    if not reading.label and any(set(LABEL_COLUMNS) & {*record} for record in records):
        return reading
    for label, text in JUDGED.items():
        if reading.label in (None, label) and any(_judges(record, text, label) for record in records):
            return replace(reading, text=text, label=label, judged=True)
    return reading


def _judges(record: Mapping[str, Any], text: str | None, label: str | None) -> bool:
    return record.get(text or "") not in GAPS and record.get(label or "") not in GAPS


def _of_row(row: Any, where: str, reading: Reading, unread: Unread, values: Counter[str]) -> Iterator[Labelled]:  # noqa: ANN401
    if not isinstance(row, Mapping):
        fix = f"Write {FORM}, or give two files of texts: wanted.txt,unwanted.txt"
        raise DataError(f"{where}: not an object, so without a label", fix=fix)
    if not reading.text and not reading.label and (pair := preference_of(row, where)):
        unread.see(row, pair.used)
        if pair.equal:
            unread.left_out["with two equal answers"] += 1
            return
        for text, label in zip((pair.better, pair.worse), pair.labels, strict=True):
            yield Labelled(text, label, pair.prompt or None)
        return
    row = unpacked(row)
    label_key = _column(row, reading.label, LABEL_COLUMNS, "label", where)
    chat = None if reading.text else next((key for key in CHATS if is_chat(row.get(key))), None)
    if chat and (read := chat_of({chat: row[chat]}, where)):
        turns, used = read
        if turns[-1][0] != "assistant" or len(turns) < 2:
            raise DataError(f"{where}, {chat}: no answer at its end", fix="Let it end with the assistant's answer.")
        text, prompt = turns[-1][1], request(turns[:-1])
        _one_sense(row[label_key], reading, f"{where}, {label_key}")
    else:
        text_key = _column(row, reading.text, [key for key in TEXT_COLUMNS if key != label_key], "text", where)
        text = row[text_key]
        if is_chat(text):
            text = chat_of(text, where)[0][-1][1]  # type: ignore[index]  # a chat is one
        if not isinstance(text, str) or not text.strip():
            raise DataError(f"{where}, {text_key}: no text", fix="Fill it in or remove the line.")
        prompt_key = next(
            (key for key in PROMPT_COLUMNS if row.get(key) is not None and key not in (text_key, label_key)), ""
        )
        prompt = row[prompt_key] if prompt_key else ""  # pandas calls the column of its row numbers ""
        used = frozenset((text_key, prompt_key))
        if is_chat(prompt):
            prompt = request(chat_of(prompt, where)[0])  # type: ignore[index]  # a chat is one
        if not isinstance(prompt, str):
            raise DataError(f"{where}, {prompt_key}: not a text", fix="Make it a string or remove it.")
        if text_key == "completion":
            _one_sense(row[label_key], reading, f"{where}, {label_key}")
    unread.see(row, {*used, label_key, *LABEL_COLUMNS})
    values[_word(row[label_key])] += 1
    yield Labelled(
        text, _label(row[label_key], reading, f"{where}, {label_key}", turned=label_key == "is_safe"), prompt or None
    )


def _column(row: Mapping[str, Any], named: str | None, usual: Sequence[str], what: str, where: str) -> str:
    for name in (named, named.casefold()) if named else usual:  # tables have usual names in small letters
        if name in row:
            return name
    raise DataError(
        f"{where}: no column {named!r}" if named else f"{where}: no {what} column",
        why=described(row),
        fix=f"Name the {what} column: `{what}=NAME`",
    )


def _word(value: Any) -> str:  # noqa: ANN401 - a cell of a file
    """Return a label as a word; 1.0 and true are 1, as spreadsheets and pandas write a column with a gap."""
    number = _number(value)
    if isinstance(value, bool) or (number is not None and number.is_integer()):
        return str(int(value if number is None else number))
    word = str(value).strip().casefold()
    return {"true": "1", "false": "0"}.get(word, word)


def _one_sense(value: Any, reading: Reading, where: str) -> None:  # noqa: ANN401 - a cell of a file
    """Refuse true and false as labels of answers to requests: for KTO, true is the wanted one.

    Source: Ethayarajh et al. 2024, "KTO: Model Alignment as Prospect Theoretic Optimization", whose files TRL reads.
    """
    flag = isinstance(value, bool) or str(value).strip().casefold() in ("true", "false")
    if flag and reading.unwanted is None and reading.threshold is None:
        raise DataError(
            f"{where}: {value!r} can mean both",
            why="Files for KTO label the answers true that are wanted, other files those that are unwanted.",
            fix="Say which is unwanted, true or false: `unwanted=VALUE`",
        )


def _number(value: Any) -> float | None:  # noqa: ANN401 - a cell of a file
    """Return a cell as a finite number, also with a decimal comma; None for what is none."""
    if isinstance(value, str) and DECIMAL_COMMA.fullmatch(value.strip()):
        value = value.replace(",", ".")
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _label(value: Any, reading: Reading, where: str, *, turned: bool) -> int:  # noqa: ANN401 - a cell of a file
    if value is None or value != value or not str(value).strip():  # a NaN is not itself
        raise DataError(f"{where}: no label", why="It is a gap.", fix="Fill it in or remove the line.")
    if reading.threshold is not None:
        score = _number(value)
        if score is None:
            raise DataError(f"{where}: {value!r} is not a score", fix="Give a number, or leave out the threshold.")
        return int(score >= reading.threshold)
    word = _word(value)
    if reading.unwanted is not None:
        return int(word == _word(reading.unwanted))
    if word in UNWANTED or word in WANTED:
        return int((word in UNWANTED) != turned)
    score = _number(value)
    if score is not None and 0 <= score <= 1:
        raise DataError(
            f"{where}: {value!r} is a score, not a label",
            fix="Say from which score on a text is unwanted: `threshold=0.5`",
        )
    raise DataError(
        f"{where}: {value!r} is not a label",
        why="Known: 0 and 1, true and false, safe and unsafe, toxic and non-toxic.",
        fix="Name the unwanted one: `unwanted=VALUE`",
    )
