"""Teach a model something new while the weights that safety depends on most stay as they are (SPA).

Source: Qi et al. 2026, "Towards Identification and Intervention of Safety-Critical Parameters in Large Language Models",
Findings of ACL, safety preserving adaptation.
    minimise over d:  mean -log P(answer | request; W + d),    d = 0 on the mask          W, d: (out, in)
The mask holds the share of all parameters with the largest impact on safety (`safety_impact`). With a rank,
d = sigma (alpha / rank) B A with the mask's entries taken out of the product: A: (rank, in), B: (out, rank).
Differs from the paper: the mask also holds for LoRA (there it is compared with the names of adapter tensors and never matches);
norms, biases and the head are trained only when asked for; answers are learned in the chat template, requests are not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data.bundled import behaviour as bundled
from ..data.examples import Behaviour
from ..data.lessons import Instruction, summary
from ..errors import UsageError
from ..locate.mask import Mask
from ..locate.safety_impact import SHARE, Score, eligible, safety_impact
from ..model.lm import LM
from ..model.run.context import check_length
from ..patch.patch import Patch
from ..patch.provenance import Stamp
from ..registry import method
from ..text.phase import Progress
from ._trained.lowrank import adapters, merged
from ._trained.masked import Loss, Saved, Schedule, Trained, answers_loss, drawn, forward, train
from ._trained.places import dense, other_parts


@method
def preserve_safety(
    lm: LM,
    lessons: list[Instruction],
    *,
    share: float = SHARE,
    score: Score = "pairs",
    steps: int = 1000,
    rate: float = 0.003,
    decay: float = 0.0,
    batch: int = 4,
    rank: int = 0,
    alpha: float = 16.0,
    head: bool = False,
    norms: bool = False,
    biases: bool = False,
    behaviour: Behaviour | None = None,
    mask: Mask | None = None,
    state: Path | None = None,
    seed: int = 0,
) -> Patch:
    """Make a patch that has learned the lessons, the critical weights left alone.

    Args:
        lm: the model; not changed.
        lessons: requests and the answers to learn.
        share: of all parameters that stay as they are; 0 trains all, which is plain fine-tuning.
        score: what tells how safe the model is, see `safety_impact`.
        steps: of the optimiser.
        rate: of AdamW, in standard deviations of each tensor (a usual 2e-5 is about 0.001 of a 7B model's).
        decay: of the trained weights, towards 0.
        batch: lessons in a step.
        rank: train LoRA factors of this rank; 0 trains the weights themselves.
        alpha: LoRA's scale: the product counts alpha / rank times.
        head: train the head, too, where it is not the embedding.
        norms: train the norms, too.
        biases: train the biases, too.
        behaviour: labelled texts that tell what is safe (bundled ones by default).
        mask: leave these weights alone instead of finding them.
        state: a file that training is continued from, and that is written every 100 steps.
        seed: of the pairing, the order and the start of LoRA.

    Raises:
        UsageError: when there are no lessons, or the file is of another training.
        DataError: when one is longer than the model reads.
    """
    check_length(lm, [lm.encode_chat(lesson.prompt, lesson.answer)[0] for lesson in lessons])
    if share and mask is None:
        mask = safety_impact(lm, behaviour or bundled("harden"), share=share, score=score, head=head, seed=seed)
    plan = Plan(steps, rate, decay, batch, rank, alpha, head, norms, biases, seed)
    return preserved(lm, lessons, mask, plan, state=state)


@dataclass(frozen=True)
class Plan:
    """The settings of the training itself; see `preserve_safety`."""

    steps: int = 1000
    rate: float = 0.003
    decay: float = 0.0
    batch: int = 4
    rank: int = 0
    alpha: float = 16.0
    head: bool = False
    norms: bool = False
    biases: bool = False
    seed: int = 0


def preserved(
    lm: LM,
    lessons: Sequence[Instruction],
    mask: Mask | None,
    plan: Plan,
    *,
    state: Path | None = None,
    progress: Progress | None = None,
) -> Patch:
    """Do what `preserve_safety` does with a mask (None: plain fine-tuning); `progress` is told ("steps", steps done, steps)."""
    if not lessons:
        raise UsageError("there is nothing to learn", fix='Give lessons: {"prompt": ..., "answer": ...}, a line each.')
    settings: dict[str, Any] = asdict(plan)
    if mask:
        mask.check(lm)
        settings["mask"] = {"by": mask.about.get("by", ""), "entries": mask.count, "of": mask.candidates}
    names = _parameter_names(lm, plan)
    parts = adapters(lm, names, mask, plan.rank, plan.alpha, plan.seed) if plan.rank else other_parts(lm, names, mask)
    saved = Saved(state, _key(lm, lessons, settings, mask, parts)) if state else None
    loss = _loss(lm, parts, lessons, plan)
    train(parts, loss, Schedule(plan.steps, plan.rate, plan.decay), saved=saved, progress=progress)
    changes = {**merged(lm, parts), **dense(lm, parts)}
    return Patch.make(lm, changes, method="preserve_safety", settings=settings, examples={"lessons": summary(lessons)})


def _parameter_names(lm: LM, plan: Plan) -> list[str]:
    """Return the names of the live parameters that are trained."""
    chosen = {id(weight.parameter) for weight in eligible(lm, head=plan.head)}
    names = []
    for name, parameter in lm.model.named_parameters():
        bias = name.endswith("bias")
        norm = parameter.dim() == 1 and not bias
        if id(parameter) in chosen or (plan.norms and norm) or (plan.biases and bias):
            names.append(name)
    return names


def _loss(lm: LM, parts: Sequence[Trained], lessons: Sequence[Instruction], plan: Plan) -> Loss:
    copies = {part.name: part.copy for part in parts}
    rows = [lm.encode_chat(lesson.prompt, lesson.answer) for lesson in lessons]

    def loss(step: int) -> Tensor:
        chosen = [rows[i] for i in drawn(len(rows), plan.batch, step, plan.seed)]
        batch = lm.batch([ids for ids, _ in chosen])
        return answers_loss(forward(lm, copies, batch), batch, [begin for _, begin in chosen])

    return loss


def _key(
    lm: LM, lessons: Sequence[Instruction], settings: dict[str, Any], mask: Mask | None, parts: Sequence[Trained]
) -> str:
    """Return what a file of interrupted training must agree on: settings, lessons, mask, and the weights it began from."""
    base = {name: Stamp.of(lm.model.get_parameter(name), torch.float32).plain() for name in (p.name for p in parts)}
    chosen = {
        name: hashlib.sha256(index.numpy().tobytes()).hexdigest()
        for name, index in (mask.entries if mask else {}).items()
    }
    state = [settings, summary(lessons), chosen, base]
    return hashlib.sha256(json.dumps(state, sort_keys=True, default=str).encode()).hexdigest()
