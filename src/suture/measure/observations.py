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
    found: Baseline = {}
    try:
        for number, told in enumerate(tensorfile.parsed(metadata["content"])):
            kept = {case: tensors[f"{number}.logprobs.{case}"] for case in told["cases"]}
            extra: dict[str, Any] = {**told["extra"], **({"logprobs": kept} if kept else {})}
            values, weights = tensors[f"{number}.values"], tensors[f"{number}.weights"]
            found[told["name"]] = Observation(values, weights, told["texts"], extra)
    except (KeyError, TypeError, ValueError) as problem:
        fix = "Remove it; they are made again."
        raise CorruptFile(f"{path} holds no observations", why=repr(problem), fix=fix) from problem
    return found
