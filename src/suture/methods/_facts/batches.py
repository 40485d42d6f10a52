"""What the methods for facts share: their settings, and the loop over blocks that MEMIT and its kin have.

Source: Meng et al. 2023, "Mass-Editing Memory in a Transformer", algorithm 1.
    for each block l of l_1 .. l_n:   R = (z - h) / share(l),   W_l' = W_l + change(K_l, R)
z: (facts, d_model) is what the last block shall put out, h what it puts out now, after the changes made so far;
K: (d_ff, facts), R: (d_model, facts). Where asked, all is solved again while some places do not say their token; these then
count twice as much: columns of K and R are multiplied by the root of their weight.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from typing_extensions import Unpack

from ...data.bundled.neutral import neutral
from ...data.examples import Fact, Texts
from ...data.fact_files import agreeing
from ...model.arch.anatomy import Site, Weight
from ...model.lm import LM
from ...model.run.context import check_length
from ...model.run.fact_rows import Row, places
from ...patch.delta import LowRank
from ...patch.delta_kind import Delta, by_tensor
from ...patch.patch import Patch
from ...registry import shared_defaults
from .argmax import target_is_argmax
from .joint import train_jointly
from .keyvalue import Keys, chosen_layer, contexts, down, keys, read, up_to
from .paraphrases import paraphrases
from .settings import JointClosedForm, ValueOptimization
from .statistics import second_moments
from .values import essences, values

Spread = Literal["uniform", "sqrt", "first_last"]
Change = Callable[
    [int, Keys, Tensor], LowRank
]  # block, keys, residuals (facts, d_model) -> change of the (out, in) matrix
REWEIGHTED = 2.0  # how much more a place counts when the equations are solved again, each time


@dataclass(frozen=True, eq=False)
class EditRequest:
    """Facts to write and all that finding their keys and values needs.

    Attributes:
        lm: the model.
        facts: what to write.
        prefixes: contexts, the empty one first.
        aim: how values are looked for.
        keep: texts to keep.
        statistics: folder that keeps second moments between runs.
        joint_steps: passes over all facts with all their changes in place; 0 for none.
        kl_joint: weight of what is to stay in these.
        before: facts written earlier.
        importance: of each fact, its weight in the least squares; all alike by default.
    """

    lm: LM
    facts: list[Fact]
    prefixes: list[str]
    aim: ValueOptimization
    keep: Texts
    statistics: Path | None
    joint_steps: int
    kl_joint: float
    before: Sequence[Fact] = ()
    importance: Sequence[float] = ()

    @classmethod
    def of(cls, lm: LM, facts: Sequence[Fact], **shared: Unpack[JointClosedForm]) -> EditRequest:
        """Check the facts and let the model write the contexts.

        Raises:
            UsageError: when there are no facts, or two contradict each other.
            DataError: when one is longer than the model reads.
        """
        check_length(lm, lm.encode_prompts([f"{fact.prompt} {fact.target}" for fact in facts]))
        settings = {**shared_defaults(JointClosedForm), **shared}
        aim = ValueOptimization(**{f.name: settings[f.name] for f in fields(ValueOptimization) if f.name in settings})
        return cls(
            lm, agreeing(facts), contexts(lm, settings["prefixes"], aim.seed), aim, settings["keep"] or neutral("probe"),
            settings["statistics"], settings["joint_steps"], settings["kl_joint"],
        )  # fmt: skip

    def moment(self, layer: int) -> Tensor:
        """Return the second moment of the keys of the texts to keep: (d_ff, d_ff) float64."""
        return self.moments([layer])[layer]

    def moments(self, layers: Sequence[int]) -> dict[int, Tensor]:
        """Return the same of several blocks, from one reading."""
        return second_moments(self.lm, layers, self.keep, self.statistics)

    def keys(self, layer: int) -> Keys:
        """Return the keys of the facts in the model as it is now."""
        return keys(self.lm, self.facts, layer, self.prefixes, token=self.aim.token)

    def values(self, site: Site) -> Tensor:
        """Return what to add at a site: (places, d_model) float64."""
        return values(self.lm, self.facts, site, self.prefixes, self.aim).added

    def jointly(self, changes: Sequence[tuple[Weight, LowRank]]) -> dict[str, list[LowRank]]:
        """Return changes of (out, in) matrices by tensor, trained together where that is asked for."""
        aim = self.aim
        if self.joint_steps:
            continuations = [[self.lm.decode(row.ids) for row in rows] for rows in essences(self.lm, self.facts, aim)]
            asking = paraphrases(self.lm, self.facts, aim.seed)
            changes = train_jointly(
                self.lm, changes, self.facts, self.prefixes, asking, continuations, keep=self.keep, before=self.before,
                steps=self.joint_steps, kl=self.kl_joint, stop=aim.stop, seed=aim.seed,
            )  # fmt: skip
        return placed(changes)

    def applied(self, changes: dict[str, list[LowRank]]) -> AbstractContextManager[Any]:
        """Run the model with the changes found so far, maybe none."""
        return self.patch("partial", changes, {}).applied(self.lm) if changes else nullcontext()

    def now(self, site: Site) -> Tensor:
        """Return what is at a site in the bare prompts: (places, d) float64."""
        return read(self.lm, [up_to(row) for row in self.rows], [site])[site]

    @property
    def rows(self) -> list[Row]:
        """The bare prompts with their targets, of all places."""
        return [row for fact in self.facts for (row,) in places(self.lm, fact, [""], self.aim.token)]

    @property
    def weights(self) -> Tensor:
        """(places,) float64: `importance` of the fact of each place."""
        importance = self.importance or [1.0] * len(self.facts)
        counts = [len(places(self.lm, fact, [""], self.aim.token)) for fact in self.facts]
        return torch.tensor(importance, dtype=torch.float64).repeat_interleave(torch.tensor(counts))

    def patch(self, method: str, changes: dict[str, list[LowRank]], settings: dict[str, Any]) -> Patch:
        """Make the patch of a method with its settings."""
        examples = {"facts": summary(self.facts), "keep": self.keep.summary()}
        terms: dict[str, Delta | list[Delta]] = {name: list(deltas) for name, deltas in changes.items()}
        return Patch.make(self.lm, terms, method=method, settings=settings, examples=examples)


def over_blocks(
    task: EditRequest,
    layers: Sequence[int],
    spread: Spread,
    change: Change,
    part: str = "residual",
    reweight_rounds: int = 0,
) -> dict[str, list[LowRank]]:
    """Return the changes of all blocks, each found on the model with the changes of those before it.

    Args:
        task: what to write.
        layers: the blocks.
        spread: how they share the work.
        change: makes the change of one block.
        part: where in the last block the values are sought.
        reweight_rounds: how often, at most, all is solved again with what is not said counting more.
    """
    blocks = sorted({layers[0], layers[-1]}) if spread == "first_last" else sorted(layers)
    goal = Site(blocks[-1], part)
    outputs = None if spread == "first_last" else task.now(goal) + task.values(goal)
    weights, rows = task.weights, task.rows
    for turn in range(reweight_rounds + 1):
        changes = _solve_blocks(task, blocks, spread, change, part, outputs, weights.sqrt()[:, None])
        if turn < reweight_rounds:
            with task.applied(placed(changes)):
                missing = ~target_is_argmax(task.lm, rows)
            if not bool(missing.any()):
                break
            weights = torch.where(missing, REWEIGHTED * weights, weights)
    return task.jointly(changes)


def _solve_blocks(
    task: EditRequest,
    blocks: Sequence[int],
    spread: Spread,
    change: Change,
    part: str,
    outputs: Tensor | None,
    root: Tensor,
) -> list[tuple[Weight, LowRank]]:
    """Return the changes of all blocks once.

    Args:
        task: what to write.
        blocks: in order.
        spread: how they share the work.
        change: makes the change of one block.
        part: where in a block values are sought.
        outputs: (places, d_model) what the last block shall put out; None where each block has values of its own.
        root: (places, 1) roots of the weights, by which keys and residuals are multiplied.
    """
    changes: list[tuple[Weight, LowRank]] = []
    for number, layer in enumerate(blocks):
        with task.applied(placed(changes)):
            if outputs is None:
                residuals = task.values(Site(layer, part))
            else:
                residuals = outputs - task.now(Site(blocks[-1], part))
            remaining = len(blocks) - number
            share = {"uniform": remaining, "sqrt": remaining**0.5, "first_last": 1}[spread]
            block_keys = task.keys(layer)
            weighed = Keys(root * block_keys.bare, root[:, None] * block_keys.in_contexts)
            delta = change(layer, weighed, root * residuals / share)
        changes.append((down(task.lm, layer), delta))
    return changes


def placed(changes: Sequence[tuple[Weight, LowRank]]) -> dict[str, list[LowRank]]:
    """Return changes of (out, in) matrices as changes of the stored tensors, by name."""
    return by_tensor((weight.tensor, weight.place(change)) for weight, change in changes)


def several_layers(lm: LM, layers: Sequence[int] | None) -> list[int]:
    """Return the blocks to edit: those asked for, or early ones (4 to 8 of 32, as published for Llama).

    Raises:
        UsageError: when one does not exist.
    """
    if layers is None:
        return list(range(round(lm.anatomy.layers / 8), round(lm.anatomy.layers / 4) + 1))
    return sorted({chosen_layer(lm, layer) for layer in layers})


def summary(facts: Sequence[Fact]) -> dict[str, Any]:
    """Return number and SHA-256 of facts, for a patch's provenance."""
    return {"count": len(facts), "sha256": hashlib.sha256(json.dumps([asdict(f) for f in facts]).encode()).hexdigest()}
