"""What a model is like, before anything is done to it: its sizes, tokens, chat format, how long its states are, and its sinks.

Read from the model and its tokenizer as they are; a few short texts are run once (see `suture.model.run.pooling`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...errors import UsageError
from ..arch.anatomy import FINAL
from ..lm import LM
from .context import context
from .pooling import ORDINARY, StateLengths
from .reading import ASKED, conversation

MARK = "suture-system-text"  # stands for a system text while the template is looked at


@dataclass(frozen=True)
class Sink:
    """Where attention rests: a position, or a token at later ones, whose state is of massive length.

    Attributes:
        position: counted from 0.
        token: what stands there in the first text that shows it.
        texts: how many of the texts read have it.
        first: first block behind which it is of massive length.
        last: the last such block.
        ratio: its greatest length in units of the block's typical one.
        block: where that is.
    """

    position: int
    token: str
    texts: int
    first: int
    last: int
    ratio: float
    block: int


@dataclass(frozen=True)
class Profile:
    """See the module's docstring.

    Attributes:
        name: of the model.
        sizes: architecture, parameters, blocks, width, context (None: no limit), dtype.
        memory: bytes of the weights, and of the cache for each token of context.
        vocabulary: tokens of the tokenizer, rows of the embeddings, and ids that no row is for.
        special: start, end, padding and unknown token; whether start and end are written around a plain text.
        chat: what the chat template does; {"template": False} where there is none.
        typical: median length of the states behind each block.
        limits: length from which on a state is a sink's, behind each block.
        sinks: those that were seen.
        texts: number of texts they were looked for in.
    """

    name: str
    sizes: dict[str, Any]
    memory: dict[str, int]
    vocabulary: dict[str, Any]
    special: dict[str, Any]
    chat: dict[str, Any]
    typical: list[float]
    limits: list[float]
    sinks: list[Sink]
    texts: int


def profile(lm: LM) -> Profile:
    """Return what a model is like."""
    usual = StateLengths.of(lm)
    rows = [lm.encode(text)[: context(lm)] for text in ORDINARY]
    rows.append(lm.encode_chat("How are you?", "I am well, thank you.")[0][: context(lm)])
    rows = [row for row in rows if row]
    return Profile(
        lm.name,
        _sizes(lm),
        _memory(lm),
        _vocabulary(lm),
        _special(lm),
        _chat(lm),
        usual.typical.tolist(),
        usual.limits.tolist(),
        _sinks(lm, usual, rows),
        len(rows),
    )


def _sizes(lm: LM) -> dict[str, Any]:
    parameters = {p.data_ptr(): p.numel() for p in lm.model.parameters()}
    return {
        "architecture": type(lm.model).__name__, "parameters": sum(parameters.values()), "blocks": lm.anatomy.layers,
        "width": lm.width, "context": context(lm), "dtype": str(lm.model.dtype).removeprefix("torch."),
    }  # fmt: skip


def _memory(lm: LM) -> dict[str, int]:
    """Return bytes: of each tensor once, and of the keys and values of one token, measured on a pass of two."""
    tensors = {t.data_ptr(): t.numel() * t.element_size() for t in (*lm.model.parameters(), *lm.model.buffers())}
    with torch.no_grad():
        ids = torch.zeros(1, 2, dtype=torch.long, device=lm.device)
        cache = lm.backbone(input_ids=ids, use_cache=True).past_key_values
    held = [t for layer in cache.layers for t in (layer.keys, layer.values)] if hasattr(cache, "layers") else []
    return {
        "weights": sum(tensors.values()),
        "cache_per_token": sum(t.numel() * t.element_size() for t in held) // 2,
    }


def _vocabulary(lm: LM) -> dict[str, Any]:
    rows = int(lm.model.get_input_embeddings().weight.shape[0])
    ids = lm.tokenizer.get_vocab()
    return {"tokens": len(ids), "rows": rows, "beyond": sorted(token for token, i in ids.items() if i >= rows)}


def _special(lm: LM) -> dict[str, Any]:
    """Return the special tokens, and which of them the tokenizer writes around a plain text by itself."""
    tokenizer = lm.tokenizer
    config = getattr(lm.model, "generation_config", None)
    ends = getattr(config, "eos_token_id", None)
    ends = [ends] if isinstance(ends, int) else list(ends or ())
    if tokenizer.eos_token_id is not None and tokenizer.eos_token_id not in ends:
        ends.append(tokenizer.eos_token_id)
    written = tokenizer("a")["input_ids"]
    return {
        "start": tokenizer.bos_token,
        "start_written": tokenizer.bos_token_id is not None and written[:1] == [tokenizer.bos_token_id],
        "end": [str(tokenizer.convert_ids_to_tokens(i)) for i in ends],
        "end_written": bool(written) and written[-1] in ends,
        "padding": tokenizer.pad_token,
        "unknown": tokenizer.unk_token,
    }


def _chat(lm: LM) -> dict[str, Any]:
    """Return what the chat template does, found by writing short conversations with it."""
    if lm.tokenizer.chat_template is None:
        return {"template": False}
    system = {"role": "system", "content": MARK}
    bare = conversation(lm, [ASKED], reply=True, thinking=False).text
    opening, _, ending = bare.partition(ASKED["content"])
    try:
        before, _, between = conversation(lm, [system, ASKED], reply=True, thinking=False).text.partition(MARK)
    except UsageError:
        takes, line = False, ""
    else:
        takes, between = True, between.partition(ASKED["content"])[0]
        line = opening.removeprefix(before).removesuffix(between)
        line = line if opening == before + line + between else ""
    return {
        "template": True,
        "system": takes,
        "own_system_line": line.strip(),
        "thinking_switch": lm.thinks,
        "before_request": opening,
        "before_answer": ending,
    }


@torch.no_grad()
def _sinks(lm: LM, usual: StateLengths, rows: Sequence[list[int]]) -> list[Sink]:
    batch = lm.batch(rows)
    with usual.traced(lm, [FINAL], lambda site, states, length: states.new_zeros(0)) as (_, lengths):
        lm.forward(batch, head=False)
    ratios = torch.stack([lengths[i].cpu() / usual.typical[i].cpu() for i in lengths])  # (layers, texts, tokens)
    long = torch.stack([lengths[i].cpu() > usual.limits[i].cpu() for i in lengths])
    sinks: list[Sink] = []
    for row, position in usual.sinks(lengths, batch.mask).nonzero().tolist():
        token = str(lm.tokenizer.convert_ids_to_tokens(rows[row][position]))
        known = next((s for s in sinks if s.position == position and (position == 0 or s.token == token)), None)
        seen = _sink(position, token, ratios[:, row, position], long[:, row, position])
        if known is None:
            sinks.append(seen)
        else:
            top = max(known, seen, key=lambda s: s.ratio)
            first, last = min(known.first, seen.first), max(known.last, seen.last)
            sinks[sinks.index(known)] = Sink(position, known.token, known.texts + 1, first, last, top.ratio, top.block)
    return sorted(sinks, key=lambda sink: (-sink.texts, sink.position))


def _sink(position: int, token: str, ratios: Tensor, long: Tensor) -> Sink:
    """Return a sink from its lengths in typical ones, and where these are over the limit: (layers,) each."""
    blocks, block = long.nonzero().flatten().tolist(), int(ratios.argmax())
    return Sink(position, token, 1, blocks[0], blocks[-1], float(ratios[block]), block)
