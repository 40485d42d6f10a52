"""A PEFT LoRA adapter: a folder that `peft`, transformers, vLLM and others load beside the base model.

    y = W x + (alpha / r) * B (A x)          A: (r, in) = right   B: (out, r) = left   alpha = r, so the scale is 1

A low-rank patch is exactly that. Every matrix has its own rank (`rank_pattern`), and `r` is the largest: programs that know
one scale for all still use 1. Names are those of live modules, which may differ from the names on disk. Experts kept in a
3-D parameter go through `target_parameters`, all with the rank of the largest:  A: (experts * r, in)  B: (out, r * experts).
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import UsageError
from ..io import tensorfile
from ..io.files import built, check_place, write_text
from ..model.lm import LM
from ..patch.patch import Patch
from ._exported import Exported
from .check import PROMPTS, Check, compare, logits, unmerged
from .factors import Adapted, adapted

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
MADE = {"made_by": "suture"}  # in the file, so that no adapter of another is replaced
PREFIX = "base_model.model."
# In mixtures of experts peft takes any layer of these names for one of the experts of old.
TAKEN = ("gate_proj", "up_proj", "down_proj")


def export(lm: LM, patch: Patch, out: str | Path, *, rank: int | None = None) -> Exported:
    """Write the adapter into a folder.

    Args:
        lm: the model the patch is for; read, not changed.
        patch: the change.
        out: the folder.
        rank: approximate what has a higher rank, or no factors at all, by this one.

    Raises:
        UsageError: for a change that an adapter can not hold; says what can.
    """
    changes = adapted(lm, patch, rank)
    config = _config(lm, changes)
    tensors: dict[str, Tensor] = {}
    for change in changes:
        place = PREFIX + change.path + ".base_layer" * _depth(change, changes)
        tensors[f"{place}.lora_A.weight"], tensors[f"{place}.lora_B.weight"] = _stacked(change)
    folder = Path(out)
    check_adapter(folder)
    with built(folder, over=True) as new:
        tensorfile.write(new / WEIGHTS, tensors, {"format": "pt", **MADE})
        write_text(new / CONFIG, json.dumps(config, indent=1, sort_keys=True) + "\n")
    notes = []
    if "target_parameters" in config:
        notes.append("Some weights are reached through target_parameters: peft loads them, vLLM does not.")
    shares = {change.parameter: change.kept for change in changes if change.kept < 1}
    files = [folder / CONFIG, folder / WEIGHTS]
    return Exported(folder, files, shares, notes, lambda prompts: check(lm, patch, folder, prompts, exact=not shares))


def check_adapter(folder: Path) -> None:
    """Raise UsageError when no adapter must be written into a folder: it is a model, or holds an adapter of another."""
    if (folder / "config.json").is_file():
        raise UsageError(
            f"can not write an adapter into {folder}", why="It is a model: loaders would follow the adapter instead.",
            fix="Give another folder.",
        )  # fmt: skip
    ours = "an adapter that suture wrote"
    check_place(folder / WEIGHTS, lambda file: tensorfile.metadata_of(file).items() >= MADE.items(), ours)
    check_place(folder / CONFIG, lambda _: (folder / WEIGHTS).is_file(), ours)


def check(lm: LM, patch: Patch, out: str | Path, prompts: Sequence[str] = PROMPTS, *, exact: bool = True) -> Check:
    """Load the adapter with `peft` and compare the logits with those under the patch.

    Raises:
        UsageError: when peft is not installed.
    """
    base = logits(lm, prompts)
    with unmerged(lm, patch) as how:
        expected = logits(lm, prompts)
    with attached(lm, out):
        actual = logits(lm, prompts)
    return compare(base, expected, actual, f"{how}; adapter run by peft", exact=exact)


@contextmanager
def attached(lm: LM, folder: str | Path) -> Iterator[None]:
    """Run the model with an adapter, loaded by `peft`; on leaving, also after a failure, its modules are the own ones again.

    Raises:
        UsageError: when peft is not installed.
    """
    try:
        from peft import PeftModel
    except ImportError as problem:
        raise UsageError(
            "an adapter is checked with peft",
            why="It is not installed.",
            fix="pip install 'suture[peft]', or `check=False`",
        ) from problem
    modules = dict(lm.model.named_modules())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of peft, about settings that do not matter here
            wrapped: Any = PeftModel.from_pretrained(lm.model, str(folder))
            wrapped.eval()
            yield
    finally:
        for path, module in modules.items():
            if path and lm.model.get_submodule(path) is not module:
                lm.model.set_submodule(path, module)
        vars(lm.model).pop("peft_config", None)


def _config(lm: LM, changes: list[Adapted]) -> dict[str, Any]:
    """Return what peft needs to know, in its words; what is at its default is left out, which older ones may not know yet."""
    rank = max(change.rank for change in changes)
    mixture = any(parameter.dim() == 3 for parameter in lm.model.parameters())
    plain = [
        change for change in changes if change.linear and not (mixture and change.path.rpartition(".")[2] in TAKEN)
    ]
    others = [change for change in changes if change not in plain]
    transposed = any(change.transposed for change in plain)
    if others and transposed:
        raise UsageError(
            "one adapter can not hold these changes",
            why="peft has a single setting for transposed layers, and it excludes experts.",
            fix="Use `export.checkpoint`.",
        )
    names = {change.path: change.rank for change in plain} | {change.parameter: change.rank for change in others}
    ranks = {name: other for name, other in names.items() if other != rank}
    optional = {
        "revision": lm.fingerprint,
        "rank_pattern": ranks,
        "alpha_pattern": ranks,
        "target_parameters": [change.parameter for change in others],
        "fan_in_fan_out": transposed,
    }
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": lm.name,
        "inference_mode": True,
        "r": rank,
        "lora_alpha": rank,
        "target_modules": [change.path for change in plain],
        **{key: value for key, value in optional.items() if value},
    }


def _stacked(change: Adapted) -> tuple[Tensor, Tensor]:
    """Return A and B; of several experts (experts * r, in) and (out, r * experts), the expert fastest in B."""
    padded = [factors.padded(change.rank) for factors in change.factors]
    right = torch.cat([factors.right for factors in padded])
    left = torch.stack([factors.left for factors in padded], -1).flatten(1)
    return right.contiguous(), left.contiguous()


def _depth(change: Adapted, changes: list[Adapted]) -> int:
    """Return how many wrappers lie around a parameter: peft nests those of one module, the module's last outermost."""
    if change.linear:
        return 0
    order = [name for name, _ in change.module.named_parameters(recurse=False)]
    beside = [other.parameter.rpartition(".")[2] for other in changes if other.path == change.path]
    position = order.index(change.parameter.rpartition(".")[2])
    return sum(order.index(name) > position for name in beside)
