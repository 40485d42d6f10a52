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

FORMAT = "suture.observations/2"


def save(baseline: Baseline, path: Path) -> None:
    """Write what was observed on each measure."""
    tensors: dict[str, Tensor] = {}
    content = []
    for number, (name, observation) in enumerate(baseline.items()):
        extra = dict(observation.extra)
        logprobs: dict[int, Tensor] = extra.pop("logprobs", {})
        tensors |= {f"{number}.values": observation.values, f"{number}.weights": observation.weights}
        tensors |= {f"{number}.logprobs.{case}": rows.contiguous() for case, rows in logprobs.items()}
        content.append({"name": name, "texts": observation.texts, "extra": extra, "cases": sorted(logprobs)})
    metadata = {"format": FORMAT, "content": json.dumps(content)}
    tensorfile.write(path, tensors, metadata, verbatim=["content"])


def load(path: Path) -> Baseline:
    """Read what was observed on each measure.

    Raises:
        CorruptFile: when it is not what `save` wrote.
    """
    tensors, metadata = tensorfile.read(path, FORMAT)
    baseline: Baseline = {}
    try:
        for number, entry in enumerate(tensorfile.parsed(metadata["content"])):
            logprobs = {case: tensors[f"{number}.logprobs.{case}"] for case in entry["cases"]}
            extra: dict[str, Any] = {**entry["extra"], **({"logprobs": logprobs} if logprobs else {})}
            values, weights = tensors[f"{number}.values"], tensors[f"{number}.weights"]
            baseline[entry["name"]] = Observation(values, weights, entry["texts"], extra)
    except (KeyError, TypeError, ValueError) as problem:
        fix = "Remove it; they are made again."
        raise CorruptFile(f"{path} holds no observations", why=repr(problem), fix=fix) from problem
    return baseline
