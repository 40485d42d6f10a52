"""How many tokens a model reads, and what becomes of texts that are longer: they are refused by name, never read beyond that.

Learned positions (GPT-2) end there with an error of an index; rotary ones go on, and what the model says of such texts means
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...checkpoint.format.causes import fault

if TYPE_CHECKING:
    from ..lm import LM

STRETCHED = ("dynamic", "linear", "yarn")  # ways of rotary positions that read so many times what they were trained on
SHOWN = 48  # characters of a text that name it


def context(lm: LM) -> int | None:
    """Return how many tokens a model reads, those that it writes included; None where nothing limits it.

    Where config.json can be understood in two ways, as of positions that are stretched, it is the larger number.
    """
    config = lm.model.config.get_text_config()
    limit = getattr(config, "max_position_embeddings", None)
    if not isinstance(limit, int) or limit < 1:
        return None
    rope: Any = getattr(config, "rope_parameters", None) or {}
    kind, factor = rope.get("rope_type"), rope.get("factor")
    if kind not in STRETCHED or not isinstance(factor, int | float):
        return limit
    first = rope.get("original_max_position_embeddings") or limit
    return max(limit, int(first * factor))


def check_length(lm: LM, rows: Sequence[Sequence[int]], room: int = 0) -> None:
    """Refuse texts that are longer than a model reads.

    Args:
        lm: the model.
        rows: ids of each text.
        room: tokens that are to follow each.

    Raises:
        DataError: naming the first one, its tokens and the limit.
    """
    limit = context(lm)
    if limit is None or max(map(len, rows), default=0) + room <= limit:
        return
    ids = next(ids for ids in rows if len(ids) + room > limit)
    text = " ".join(lm.decode(ids[: 2 * SHOWN]).split())
    beginning = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    followed = " (and needs room for an answer)" if room else ""
    raise fault("long text", name=lm.name, tokens=len(ids), limit=limit, beginning=beginning, followed=followed)
