"""Where a fact is read in an MLP: context prefixes and keys.

Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT", section 3.1.
    k = mean_j K(x_j + p)      K(text): (d_ff,) what the down-projection reads at a token of the subject, the last by default
x_j are texts that the model itself writes, p is the prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...data.examples import Fact
from ...model.arch.anatomy import Site, Weight
from ...model.lm import LM, bucketed, halving
from ...model.run.fact_rows import Row, places
from ...model.run.generation import generate
from ...model.run.tracing import trace
from ...patch.delta import LowRank
from .beginnings import beginnings

PREFIX_TOKENS = 10  # of a context; the authors take 5 and 10
EARLY = 1 / 6  # of the depth; the published layers are 17 of 48 (GPT-2 XL), 5 of 28 (GPT-J), 5 of 32 (Llama 2)


def contexts(lm: LM, count: int, seed: int) -> list[str]:
    """Return the empty prefix and `count` beginnings that the model itself writes, each to be put before a prompt."""
    start = lm.encode("") or [lm.tokenizer.bos_token_id or lm.tokenizer.eos_token_id or 0]
    if not count:
        return [""]
    (texts,) = generate(lm, [start], max_new_tokens=PREFIX_TOKENS, samples=count, seed=seed)
    prefixes = (" ".join(text.split()) for text in texts)
    return ["", *(f"{text}. " for text in prefixes if text)]


@torch.no_grad()
def read(lm: LM, rows: Sequence[Row], sites: Sequence[Site], side: str = "right") -> dict[Site, Tensor]:
    """Return what the model computes at the edited token of each row: (rows, d) float64 for each site.

    A row that is the beginning of another is read in the other's run.
    """
    by_site: dict[Site, Tensor] = {}
    longest, holder = beginnings([tuple(row.ids) for row in rows])
    rows_of_run: list[list[int]] = [[] for _ in longest]  # rows that each run reads
    for index, run_of in enumerate(holder):
        rows_of_run[run_of].append(index)

    def run(part: Sequence[int]) -> None:
        batch = lm.batch([longest[i] for i in part], side=side)
        numbers = [index for i in part for index in rows_of_run[i]]
        row = torch.tensor([number for number, i in enumerate(part) for _ in rows_of_run[i]])
        at = batch.mask.argmax(-1).cpu()[row] + torch.tensor([rows[index].at for index in numbers])

        def picked(value: Tensor) -> Tensor:
            return value[row.to(value.device), at.to(value.device)].double().cpu()

        with trace(lm, sites, keep=picked, stop=True) as states:
            lm.forward(batch, head=False)
        for site in sites:
            by_site.setdefault(site, torch.zeros(len(rows), states[site].shape[1], dtype=torch.float64))
            by_site[site][numbers] = states[site]

    for group in bucketed([len(row) for row in longest]):
        for _ in halving(group, run):
            pass
    return by_site


def up_to(row: Row) -> Row:
    """Return a row that ends with its edited token: what is behind it has no part in what is read there."""
    return replace(row, ids=row.ids[: row.at + 1], begin=row.at + 1)


@dataclass(frozen=True, eq=False)
class Keys:
    """Keys of facts in one block.

    Attributes:
        bare: (places, d_ff) float64, in the prompt alone; one place for each fact but with `token` 0.
        in_contexts: (places, contexts, d_ff) in every context, the empty one first.
    """

    bare: Tensor
    in_contexts: Tensor

    @property
    def mean(self) -> Tensor:
        """(places, d_ff): the mean over all contexts."""
        return self.in_contexts.mean(1)

    @property
    def balanced(self) -> Tensor:
        """(places, d_ff): half the bare key, half the mean of the others, as MEMIT has it."""
        return self.bare if self.in_contexts.shape[1] == 1 else (self.bare + self.in_contexts[:, 1:].mean(1)) / 2


def keys(
    lm: LM, facts: Sequence[Fact], layer: int, prefixes: Sequence[str], *, token: int = -1, side: str = "right"
) -> Keys:
    """Return the keys of all places of facts (`fact_rows.places`) in block `layer`, in the model as it is now."""
    return keys_of(lm, facts, [layer], prefixes, token=token, side=side)[layer]


def keys_of(
    lm: LM,
    facts: Sequence[Fact],
    layers: Sequence[int],
    prefixes: Sequence[str],
    *,
    token: int = -1,
    side: str = "right",
) -> dict[int, Keys]:
    """Return the same of several blocks, from one reading."""
    sites = {layer: Site(layer, "mlp.key") for layer in layers}
    rows = [row for fact in facts for place in places(lm, fact, prefixes, token) for row in place]
    states = read(lm, [up_to(row) for row in rows], list(sites.values()), side)
    by_layer = {layer: states[site].view(-1, len(prefixes), states[site].shape[1]) for layer, site in sites.items()}
    return {layer: Keys(values[:, 0], values) for layer, values in by_layer.items()}


def chosen_layer(lm: LM, layer: int | None) -> int:
    """Return the block to edit: the one asked for, or an early one.

    Raises:
        UsageError: when there is no such block.
    """
    if layer is None:
        return round(EARLY * lm.anatomy.layers)
    lm.anatomy.check_blocks([layer])
    return layer


def down(lm: LM, layer: int) -> Weight:
    """Return the down-projection of a block, (d_model, d_ff).

    Raises:
        UsageError: when it is a mixture of experts, whose keys differ from expert to expert.
    """
    lm.anatomy.module(Site(layer, "mlp.key"))
    return lm.anatomy.weight(Site(layer, "mlp.down"))


def low_rank(left: Tensor, right: Tensor) -> LowRank:
    """Return the change left @ right, (d_model, r) and (r, d_ff) float64, its factors balanced and in float32.

    Of more terms than the matrix has rows, as many as it has rows are made.
    """
    if left.shape[1] > left.shape[0]:
        left, right = torch.eye(left.shape[0], dtype=left.dtype), left @ right
    size = (left.norm(dim=0) / right.norm(dim=1).clamp(min=1e-300)).clamp(min=1e-300).sqrt()
    return LowRank((left / size).float().contiguous(), (right * size[:, None]).float().contiguous())
