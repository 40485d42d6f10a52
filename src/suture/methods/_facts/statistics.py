"""The second moment of what a down-projection reads, and systems solved with it.

Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT", section 3.1.
    C = mean_t k_t k_t^T + ridge * mean(diag C) * I      k_t: (d_ff,)   C: (d_ff, d_ff) float64
over the tokens of some texts, start tokens and sinks left out (see `suture.model.run.pooling`). With fewer tokens than d_ff the
mean alone is singular; the ridge makes it positive definite whatever the texts are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ...data.examples import Texts
from ...errors import CorruptFile
from ...io import tensorfile
from ...model.arch.anatomy import Site
from ...model.lm import LM, bucketed, halving
from ...model.run.pooling import StateLengths, content

FORMAT = "suture.statistics/1"
RIDGE = 1e-2  # of the mean diagonal


def second_moment(lm: LM, layer: int, texts: Texts, cache: Path | None = None) -> Tensor:
    """Return mean_t k_t k_t^T over the tokens of some texts: (d_ff, d_ff) float64, without a ridge; see `second_moments`."""
    return second_moments(lm, [layer], texts, cache)[layer]


def second_moments(lm: LM, layers: Sequence[int], texts: Texts, cache: Path | None = None) -> dict[int, Tensor]:
    """Return mean_t k_t k_t^T of some blocks, over the tokens of some texts: each (d_ff, d_ff) float64, without a ridge.

    Args:
        lm: the model, as it is now.
        layers: the blocks whose down-projections read the keys; the texts are run once for all.
        texts: any; a few thousand tokens are enough with the ridge of `damped`.
        cache: folder that keeps the result, by model, block and texts.
    """
    if cache is None:
        return _measure(lm, layers, texts)
    model = fingerprint(lm)
    names = {i: {"model": model, "layer": i, "texts": texts.summary()["sha256"], "left out": "sinks"} for i in layers}
    files = {
        i: cache / f"{hashlib.sha256(json.dumps(name).encode()).hexdigest()[:32]}.safetensors"
        for i, name in names.items()
    }
    missing = [i for i in layers if not files[i].is_file()]
    moments = _measure(lm, missing, texts) if missing else {}
    for layer in layers:
        if layer in moments:
            metadata = {"format": FORMAT, "of": json.dumps(names[layer])}
            tensorfile.write(files[layer], {"moment": moments[layer]}, metadata)
            continue
        tensors, metadata = tensorfile.read(files[layer], FORMAT)
        if json.loads(metadata.get("of", "{}")) != names[layer] or "moment" not in tensors:
            raise CorruptFile(f"{files[layer]} holds other statistics", fix="Remove it; it is made again.")
        moments[layer] = tensors["moment"]
    return moments


def damped(moment: Tensor, ridge: float = RIDGE) -> Tensor:
    """Return C + ridge * mean(diag C) * I: positive definite, (d_ff, d_ff)."""
    return moment + ridge * moment.diagonal().mean() * torch.eye(len(moment), dtype=moment.dtype)


def solve(matrix: Tensor, right: Tensor) -> Tensor:
    """Return matrix^-1 right for a symmetric positive definite matrix, by Cholesky: (n, n), (n, c) -> (n, c)."""
    return torch.cholesky_solve(right, torch.linalg.cholesky(matrix))


def fingerprint(lm: LM) -> str:
    """Return a hash of every weight and of the config's sizes."""
    state = hashlib.sha256(type(lm.model).__name__.encode())
    for name, tensor in sorted(lm.anatomy.stored().items()):
        state.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        state.update(tensorfile.view(tensor))
    return state.hexdigest()


@torch.no_grad()
def _measure(lm: LM, layers: Sequence[int], texts: Texts) -> dict[int, Tensor]:
    rows = [lm.encode(text) for text in texts]
    sites = {layer: Site(layer, "mlp.key") for layer in layers}
    totals: dict[int, Tensor] = {}
    usual, count = StateLengths.of(lm), 0

    def run(part: Sequence[int]) -> None:
        nonlocal count
        batch = lm.batch([rows[i] for i in part])
        with usual.traced(lm, list(sites.values())) as (by_site, lengths):
            lm.forward(batch, head=False)
        real = content(lm, batch, usual.sinks(lengths, batch.mask))
        for layer, site in sites.items():
            states = by_site[site][real].double().cpu()  # (tokens, d_ff)
            product = states.T @ states
            totals[layer] = totals[layer] + product if layer in totals else product
        count += int(real.sum())

    for group in bucketed([len(row) for row in rows]):
        for _ in halving(group, run):
            pass
    return {layer: total / max(count, 1) for layer, total in totals.items()}
