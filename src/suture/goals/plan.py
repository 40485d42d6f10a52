"""What a run on a model will read, hold and take, before any weight is loaded.

The model is built without memory (the meta device) from its config alone, so a plan for a 70B model takes seconds.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..checkpoint.format.contents import GGUF, INDEX, PICKLED
from ..checkpoint.format.reading import reading
from ..model.arch.anatomy import Anatomy
from ..model.lm import BATCH_TOKENS, SMALL, checkpoint_forms
from ..model.load.filled import check_headers, check_tokens
from ..model.load.kinds import built, check_files
from ..model.load.loading import is_local, read_config, read_tokenizer
from ..model.load.named import model_folder
from ..runs.process import resident

RUNTIME = 1.4  # of a block's activations: what the allocator keeps beside them; measured on two models, see tests/test_plan.py


@dataclass(frozen=True)
class Plan:
    """A forecast.

    Attributes:
        model: its name.
        layout: the family it was recognised as.
        coverage: parameters of each part; they sum to all.
        candidates: rows that Model Surgery chooses among.
        read: bytes read from disk.
        weights: bytes held for the weights.
        work: bytes held while texts are read.
        result: bytes of the features of every block.
        process: bytes the process holds already.
        operations: floating-point operations to read the texts.
        operations_a_token: of each of their tokens.
        seconds: time to read them at the rate that was measured here, or None.
    """

    model: str
    layout: str
    coverage: dict[str, int]
    candidates: int
    read: int
    weights: int
    work: int
    result: int
    process: int
    operations: float
    operations_a_token: float
    seconds: float | None

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return sum(self.coverage.values())

    @property
    def peak(self) -> int:
        """Most bytes the process will hold."""
        return self.process + self.weights + self.work + self.result


def plan(
    name: str | Path,
    *,
    examples: int = 600,
    tokens: int = 64,
    dtype: str = "auto",
    device: str = "cpu",
    measure: bool = True,
) -> Plan:
    """Forecast reading `examples` texts of about `tokens` tokens at every block's MLP input.

    Args:
        name: "patient", "patient-moe", a folder or a Hub name; its config, tokenizer and the headers of its weights are read.
        examples: texts.
        tokens: of each.
        dtype: what `LM.load` will be given.
        device: where it will run.
        measure: measure this machine's rate of operations (a second).

    Raises:
        UsageError: when there is no such config.
        UnsupportedModel: when its parts are not known.
        CorruptFile: when its files would not fill it.
    """
    config, model = _described(name)
    anatomy = Anatomy(model, checkpoint_forms(model))
    count = sum(p.numel() for p in model.parameters())
    disk_type = getattr(config, "dtype", None) or torch.float32
    size = count * disk_type.itemsize
    live_type = (
        getattr(torch, dtype) if dtype != "auto" else torch.float32 if device == "cpu" and size < SMALL else disk_type
    )
    first = anatomy.weights(anatomy.first)
    width = int(config.get_text_config().hidden_size)
    inner = max(weight.shape[0] for weight in first)
    batch = min(BATCH_TOKENS, examples * tokens)
    work = int(RUNTIME * batch * (4 * inner + 10 * width) * live_type.itemsize)
    each_token = _operations(anatomy, config)
    operations = each_token * examples * tokens
    return Plan(
        model=str(name),
        layout=anatomy.layout.name,
        coverage=anatomy.coverage(),
        candidates=sum(weight.shape[0] for weight in first),
        read=size,
        weights=count * live_type.itemsize,
        work=work,
        result=examples * anatomy.layers * width * 4,
        process=resident(),
        operations=operations,
        operations_a_token=each_token,
        seconds=operations / _rate(live_type, device) if measure else None,
    )


def _described(name: str | Path) -> tuple[Any, nn.Module]:
    """Return a model's config, and the model without memory; what its files hold is looked at where they are here."""
    folder = model_folder(name)
    local, weighed = is_local(name, folder), False
    config = read_config(name, folder)
    if local and any(
        file.name == INDEX or file.suffix in (".safetensors", GGUF, *PICKLED) for file in folder.iterdir()
    ):
        check_files(name, folder)
        weighed = True
    model = built(name, config)
    if weighed:
        with reading(folder) as checkpoint:
            check_headers(name, model, checkpoint.slots)
        check_tokens(name, model, read_tokenizer(name, folder))
    return config, model


def _operations(anatomy: Anatomy, config: Any) -> float:  # noqa: ANN401 - a transformers config
    """Return the operations of a token: two for each weight that it meets, of its experts those that are chosen."""
    weights = [weight for part in anatomy.parts for weight in anatomy.weights(part)]
    shared = sum(math.prod(weight.shape) for weight in weights if not weight.site.expert)
    expert = sum(math.prod(weight.shape) for weight in weights if weight.site.expert == 0)
    chosen = getattr(config, "num_experts_per_tok", 1) or 1
    return 2.0 * (shared + (chosen - 1) * expert)


def _rate(dtype: torch.dtype, device: str) -> float:
    """Return operations a second of matrix products here; the best of a few."""
    a = torch.ones(1024, 1024, dtype=dtype, device=device)
    best = 0.0
    for _ in range(4):
        start = time.perf_counter()
        float((a @ a)[0, 0])
        best = max(best, 2 * 1024**3 / (time.perf_counter() - start))
    return best
