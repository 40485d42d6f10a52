"""The second moment of what a down-projection reads, and systems solved with it.

Source: Meng et al. 2022, "Locating and Editing Factual Associations in GPT", section 3.1.
    C = mean_t k_t k_t^T + ridge * mean(diag C) * I      k_t: (d_ff,)   C: (d_ff, d_ff) float64
over the tokens of some texts, start tokens left out. With fewer tokens than d_ff the mean alone is singular; the ridge
makes it positive definite whatever the texts are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ... import tensorfile
from ...anatomy import Site
from ...errors import CorruptFile
from ...examples import Texts
from ...lm import LM, bucketed, halving
from ...tracing import trace

FORMAT = "suture.statistics/1"
RIDGE = 1e-2  # of the mean diagonal


def second_moment(lm: LM, layer: int, texts: Texts, cache: Path | None = None) -> Tensor:
    """Return mean_t k_t k_t^T over the tokens of some texts: (d_ff, d_ff) float64, without a ridge.

    Args:
        lm: the model, as it is now.
        layer: the block whose down-projection reads the keys.
        texts: any; a few thousand tokens are enough with the ridge of `damped`.
        cache: folder that keeps the result, by model, block and texts.
    """
    name = {"model": fingerprint(lm), "layer": layer, "texts": texts.summary()["sha256"]}
    file = cache / f"{hashlib.sha256(json.dumps(name).encode()).hexdigest()[:32]}.safetensors" if cache else None
    if file and file.is_file():
        tensors, metadata = tensorfile.read(file, FORMAT)
        if json.loads(metadata.get("of", "{}")) != name or "moment" not in tensors:
            raise CorruptFile(f"{file} holds other statistics", fix="Remove it; it is made again.")
        return tensors["moment"]
    moment = _measured(lm, layer, [lm.encode(text) for text in texts])
    if file:
        tensorfile.write(file, {"moment": moment}, {"format": FORMAT, "of": json.dumps(name)})
    return moment


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
        state.update(tensorfile.raw_bytes(tensor))
    return state.hexdigest()


@torch.no_grad()
def _measured(lm: LM, layer: int, rows: Sequence[Sequence[int]]) -> Tensor:
    site = Site(layer, "mlp.key")
    total, count = torch.zeros(0, dtype=torch.float64), 0

    def run(part: Sequence[int]) -> None:
        nonlocal total, count
        batch = lm.batch([rows[i] for i in part])
        real = batch.mask.bool() & (batch.ids != lm.tokenizer.bos_token_id)
        with trace(lm, [site], stop=True) as seen:
            lm.forward(batch, head=False)
        states = seen[site][real].double().cpu()  # (tokens, d_ff)
        product = states.T @ states
        total = product if not len(total) else total + product
        count += len(states)

    for group in bucketed([len(row) for row in rows]):
        for _ in halving(group, run):
            pass
    return total / max(count, 1)
