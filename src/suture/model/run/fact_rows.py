"""Prompts of facts as ids: where the subject's tokens are, and where the target begins.

Positions are found by the characters of the text, so any fast tokenizer will do, whatever it puts before a text or cuts a
subject into.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...data.examples import Fact
from ...errors import DataError, UnsupportedModel, UsageError
from ...text.letters import place
from ...text.spacing import gap
from ..lm import LM
from .reading import cut


@dataclass(frozen=True)
class Row:
    """A prompt as ids.

    Attributes:
        ids: of the text, start token included.
        first: index of the subject's first token.
        last: index of its last.
        at: index of the one of them that is edited.
        begin: index of the first token after the prompt; len(ids) when nothing follows it.
    """

    ids: list[int]
    first: int
    last: int
    at: int
    begin: int


def encode(lm: LM, prompt: str, subject: str, target: str = "", prefix: str = "", token: int = -1) -> Row:
    """Encode prefix, prompt and target together, as they would be read in one piece.

    Args:
        lm: the model.
        prompt: a text that holds the subject.
        subject: as it stands there; the last one counts, whole words before parts of words.
        target: what is to follow, with a blank before it where one is written (`spacing.gap`); nothing by default.
        prefix: stands before the prompt.
        token: which of the subject's tokens is edited, counted from its end; the first one where it has fewer.

    Raises:
        UnsupportedModel: when the tokenizer can not tell which characters a token stands for.
        DataError: when the subject is not in the prompt.
    """
    if not lm.tokenizer.is_fast:
        raise UnsupportedModel(
            "facts need a fast tokenizer",
            why=f"{type(lm.tokenizer).__name__} does not say which characters a token stands for.",
            fix="Save the tokenizer with a tokenizer.json beside the model.",
        )
    where = place(prompt, subject)
    if where is None:
        raise DataError(f"{subject!r} is not in {prompt!r}", fix="Write the subject as it stands in the prompt.")
    text = prefix + prompt
    coded = lm.tokenizer(text + gap(text, target) + target, return_offsets_mapping=True)
    spans = coded["offset_mapping"]
    ids, target_begin = cut(coded["input_ids"], spans, len(text))
    begin, end = (len(prefix) + at for at in where)
    inside = [i for i, (start, stop) in enumerate(spans) if start < stop and start < end and stop > begin]
    return Row(ids, inside[0], inside[-1], inside[max(0, len(inside) + token)], target_begin)


def places(lm: LM, fact: Fact, prefixes: Sequence[str], token: int) -> list[list[Row]]:
    """Return where a fact is edited, the target behind it: of each place one row for each prefix.

    That is one token of the subject, or with `token` 0 every token that says one of the target: the prompt's last and, behind
    it, all of the target but its last. Each is then a place of its own whose row ends with the token it says.

    Raises:
        UsageError: when `token` counts past the subject's end.
    """
    if token > 0:
        raise UsageError(
            f"no token {token}",
            why="Tokens are counted from the subject's end: -1 is its last; 0 stands for the tokens that say the target.",
            fix="Give 0 or less.",
        )
    rows = [encode(lm, fact.prompt, fact.subject, fact.target, prefix, token or -1) for prefix in prefixes]
    if token:
        return [rows]
    span = range(min(len(row.ids) - row.begin for row in rows))
    return [[Row(r.ids[: r.begin + i + 1], r.first, r.last, r.begin + i - 1, r.begin + i) for r in rows] for i in span]
