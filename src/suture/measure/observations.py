"""Observations of a model as a file, so that what is continued need not ask the model again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import CorruptFile
from ..io import tensorfile
from ..metrics._score import Observation
from .evaluation import Baseline

FORMAT = "suture.observations/1"


def save(found: Baseline, path: Path) -> None:
    """Write what was observed on each measure."""
    tensors: dict[str, Tensor] = {}
    content = []
    for number, (name, seen) in enumerate(found.items()):
        extra = dict(seen.extra)
        kept: dict[int, Tensor] = extra.pop("logprobs", {})
        tensors |= {f"{number}.values": seen.values, f"{number}.weights": seen.weights}
        tensors |= {f"{number}.logprobs.{case}": each.contiguous() for case, each in kept.items()}
        content.append({"name": name, "texts": seen.texts, "extra": extra, "cases": sorted(kept)})
    metadata = {"format": FORMAT, "content": json.dumps(content)}
    tensorfile.write(path, tensors, metadata, verbatim=["content"])


def load(path: Path) -> Baseline:
    """Read what was observed on each measure.

    Raises:
        CorruptFile: when it is not what `save` wrote.
    """
    tensors, metadata = tensorfile.read(path, FORMAT)
    try:
        return {
            told["name"]: _observation(tensors, number, told)
            for number, told in enumerate(tensorfile.parsed(metadata["content"]))
        }
    except (KeyError, TypeError, ValueError) as problem:
        raise CorruptFile(
            f"{path} holds no observations", why=repr(problem), fix="Remove it; they are made again."
        ) from problem


def _observation(tensors: dict[str, Tensor], number: int, told: dict[str, Any]) -> Observation:
    extra = dict(told["extra"])
    if told["cases"]:
        extra["logprobs"] = {case: tensors[f"{number}.logprobs.{case}"] for case in told["cases"]}
    return Observation(tensors[f"{number}.values"], tensors[f"{number}.weights"], told["texts"], extra)
