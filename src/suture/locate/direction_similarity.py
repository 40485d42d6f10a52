"""How alike the directions of behaviours and of general tasks are: an edit along one also moves what points the same way.

Source: Wang et al. 2025, "Model Surgery", section 5 (probes of attributes and of tasks are nearly orthogonal).
    c_ij = cos(w_i, w_j),   w of a behaviour: its probe;  of a task: mean state of its texts - mean state of all tasks' texts;
w: (d_model,), both on the state after the last norm
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from ..data.examples import Behaviour, Labelled
from ..model.arch.anatomy import FINAL
from ..model.lm import LM
from ..model.run.features import extract
from ..numerics.linalg import cosine_table
from .probe import fit_probe

TEXTS = 60  # of each class or task


@dataclass(frozen=True)
class Directions:
    """How alike directions are: their names, and the cosine of each with each."""

    names: Sequence[str]
    cosines: Sequence[Sequence[float]]


def direction_similarity(lm: LM, behaviours: Mapping[str, Behaviour], tasks: Mapping[str, Sequence[str]]) -> Directions:
    """Return the cosines between the probes of behaviours and the directions of tasks.

    Args:
        lm: the model.
        behaviours: labelled texts by name; at most TEXTS of each class are read.
        tasks: plain texts by name; at most TEXTS of each are read.
    """
    vectors = {}
    for name, behaviour in behaviours.items():
        few = [[e for e in behaviour.examples if e.label == label][:TEXTS] for label in (0, 1)]
        vectors[name] = fit_probe(lm, Behaviour(name, (*few[0], *few[1]))).unwanted[0]
    texts = [Labelled(text, 0) for task_texts in tasks.values() for text in list(task_texts)[:TEXTS]]
    if texts:
        states = extract(lm, texts, [FINAL])[:, 0]  # (texts, d_model)
        sizes = [min(len(task_texts), TEXTS) for task_texts in tasks.values()]
        for name, task_states in zip(tasks, states.split(sizes), strict=True):
            vectors[name] = task_states.mean(0) - states.mean(0)
    return Directions(list(vectors), cosine_table(torch.stack(list(vectors.values()))))
