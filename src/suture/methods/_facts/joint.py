"""Changes that were found fact by fact, trained jointly: with all of them in place, at every token.

    minimise over all L_l:  mean_i -log P(o_i | x + p_i; W_l + L_l R_l) + kl_joint * KL(P(.|t; W) || P(.|t; W_l + L_l R_l))
    L_l: (d_model, rank)   R_l: (rank, d_ff)
A value is sought for one fact, added at one token. The change that writes it acts at every token that has something of its
key, and so do those of all other facts: a batch that writes each value exactly may say few of the targets. So the losses are
taken again with everything in place, and what each change writes (L_l) is moved; where it writes (R_l, from the closed
form, with all that it leaves alone) stays. t are continuations of the subjects, facts written before, and texts to keep.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ...data.examples import Fact
from ...model.arch.anatomy import Weight
from ...model.lm import LM
from ...model.run.fact_rows import encode
from ...patch.delta import LowRank
from ...patch.delta_kind import Delta
from ...text.spacing import joined
from .._trained.loop import KEPT, TokenizedTarget, TrainingConfig, in_effect, kl_to_base, target_nll, train

RATE = 0.1  # of Adam, in units of the root mean square of a fact's column of L
BATCH = 24  # facts a step


@dataclass(frozen=True, eq=False)
class Written:
    """A change of one weight of which only what it writes is trained: D = (left * unit) @ right."""

    weight: Weight
    left: Tensor
    unit: Tensor
    right: Tensor

    @classmethod
    def of(cls, weight: Weight, change: LowRank) -> Written:
        """Start from a change of the (out, in) matrix."""
        device = weight.parameter.device
        left, right = change.left.to(device), change.right.to(device)
        unit = left.square().mean(0, keepdim=True).sqrt().clamp(min=1e-12)  # (1, rank)
        return cls(weight, (left / unit).requires_grad_(), unit, right)

    @property
    def leaves(self) -> list[Tensor]:
        """See `Change` in `_trained.loop`."""
        return [self.left]

    def effect(self, inputs: Tensor) -> Tensor:
        """See `Change` in `_trained.loop`."""
        return (inputs.float() @ self.right.T) @ (self.left * self.unit).T

    def now(self) -> LowRank:
        """Return the change of the (out, in) matrix."""
        return LowRank((self.left * self.unit).detach().cpu().contiguous(), self.right.cpu())

    def delta(self) -> Delta:
        """See `Change` in `_trained.loop`."""
        return self.weight.place(self.now())


def train_jointly(
    lm: LM,
    initial: Sequence[tuple[Weight, LowRank]],
    facts: Sequence[Fact],
    prefixes: Sequence[str],
    asking: Sequence[Sequence[str]],
    continuations: Sequence[Sequence[str]],
    *,
    keep: Sequence[str],
    before: Sequence[Fact] = (),
    steps: int,
    kl: float,
    stop: float,
    seed: int,
) -> list[tuple[Weight, LowRank]]:
    """Return the changes after some passes over all facts.

    Args:
        lm: the model, with all earlier changes in place and these not.
        initial: weights and the changes of their (out, in) matrices.
        facts: what they write.
        prefixes: contexts, the empty one first; each step takes it and one other.
        asking: other prompts of each fact; each step takes one of them, too.
        continuations: what the model says of each fact's subject, to stay.
        keep: texts to stay; those that tell an old object of a fact are left out.
        before: facts written earlier, to stay.
        steps: passes over all facts, at most.
        kl: weight of what is to stay.
        stop: mean loss at which a pass is the last.
        seed: of the order and of the contexts.
    """
    changes, rng = [Written.of(weight, change) for weight, change in initial], random.Random(seed)
    still = [text for text in keep if not any(_tells(text, fact) for fact in facts)]
    prompts = {fact.prompt for fact in facts}
    earlier = [joined(fact.prompt, fact.target) for fact in before if fact.prompt not in prompts]

    def loss(part: Sequence[int]) -> tuple[Tensor, Tensor | float]:
        lines = []
        for i in part:
            fact, other = facts[i], rng.choice([*asking[i], facts[i].prompt])
            for prompt in dict.fromkeys((fact.prompt, rng.choice(prefixes) + fact.prompt, other)):
                row = encode(lm, prompt, fact.subject, fact.target)
                lines.append(TokenizedTarget(row.ids, row.begin))
        with in_effect(lm, changes):
            nll = target_nll(lm, lines)
        sets = [
            [text for i in part for text in continuations[i]],
            rng.sample(earlier, min(len(part), len(earlier))),
            rng.sample(still, min(KEPT, len(still))),
        ]
        return nll, kl * sum(kl_to_base(lm, texts, changes) for texts in sets if texts)

    course = TrainingConfig(steps=steps, rate=RATE, stop=stop, batch=BATCH, seed=seed)
    train(changes, range(len(facts)), loss, course)
    return [(change.weight, change.now()) for change in changes]


def _tells(text: str, fact: Fact) -> bool:
    """Return whether a text says of a fact's subject what is about to change, as far as that is known."""
    return fact.subject in text and (not fact.was or fact.was in text)
