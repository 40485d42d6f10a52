"""A patch: named changes to weights, where they came from, and what they were made for. The product of every method.

with patch.applied(lm):       the weights are changed; on leaving, every bit is what it was
with patch.attached(lm):      the weights stay; the change is added as the model runs, one strength per batch row
0.5 * patch,  a + b           patches are values
patch.save(path), Patch.load(path)
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import NoEffect, PatchMismatch, UsageError
from ..io.adapters import is_adapter
from . import file as patch_file
from .delta import canonical
from .delta_kind import Delta
from .effect import FIGURES, in_weights, measured
from .host import Host
from .provenance import Provenance, Stamp, check_stamps, versions
from .runtime.live import changed_outputs, changed_weights, steering
from .runtime.strength import Strength

SWALLOWED = 0.95  # a smaller share of the intended change left after rounding is worth a warning
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Patch:
    """See the module's docstring.

    Attributes:
        terms: changes by tensor name in the checkpoint, each in canonical order.
        before: what each touched tensor was; the patch refuses any other base.
        provenance: where it comes from.
        after: what each becomes at scale 1; empty for a scaled or combined patch.

    Example:
        >>> import torch
        >>> from suture import LM, LowRank, Patch
        >>> lm = LM.load("patient")
        >>> weight = lm.anatomy.weights("mlp.down")[0]
        >>> change = LowRank(torch.full((192, 1), 0.1), torch.ones(1, 512))
        >>> patch = Patch.make(lm, {weight.tensor: weight.place(change)}, method="by hand", settings={})
        >>> with patch.applied(lm):  # in the weights; out of them again, bit for bit, on leaving
        ...     pass
        >>> gentler = 0.5 * patch
        >>> list(gentler.terms)
        ['model.layers.0.mlp.down_proj.weight']
    """

    terms: dict[str, tuple[Delta, ...]]
    before: dict[str, Stamp]
    provenance: Provenance
    after: dict[str, Stamp] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        lm: Host,
        changes: Mapping[str, Delta | list[Delta]],
        *,
        method: str,
        settings: dict[str, Any],
        examples: dict[str, Any] | None = None,
    ) -> Patch:
        """Make a patch for a model, check that it changes something, and stamp the tensors before and after.

        Raises:
            NoEffect: when no byte of the checkpoint would change.
        """
        terms = {name: canonical(change if isinstance(change, list) else [change]) for name, change in changes.items()}
        effect = measured(lm, terms)
        if effect.before == effect.after and not effect.steering:
            raise NoEffect(
                f"{method} would change nothing",
                why="No tensor was touched."
                if not terms
                else "The change is zero, or too small for the weights' precision.",
                fix="Raise the strength or select more rows.",
            )
        if effect.effective < SWALLOWED * effect.intended:
            log.warning("rounding keeps %.0f %% of the intended change", 100 * effect.effective / effect.intended)
        base = {"name": lm.name, "revision": lm.fingerprint}
        provenance = Provenance(method, settings, base, examples or {}, effect.plain, [], versions())
        return cls(terms, effect.before, provenance, effect.after)

    @contextmanager
    def applied(self, lm: Host, *, force: bool = False) -> Iterator[None]:
        """Change the weights inside the block; restore every bit on leaving, also after an exception.

        Raises:
            PatchMismatch: when a touched tensor is not the one the patch was made for (unless `force`).
            UsageError: when the patch steers activations.
        """
        if not force:
            self.check_base(lm)
        with changed_weights(lm, self._active()):
            yield

    @contextmanager
    def attached(self, lm: Host, strength: float | Tensor = 1.0, *, force: bool = False) -> Iterator[Strength]:
        """Add the change to what the modules put out, leaving the weights alone.

        Equal to `applied` but for the rounding of the weights. The strength may differ for each row of a batch and may be
        changed between forward passes through the yielded `Strength`.

        Raises:
            PatchMismatch: as `applied`.
            UsageError: for a tensor that no linear module applies.
        """
        if not force:
            self.check_base(lm)
        if not isinstance(strength, Tensor):
            _check_strength(strength)
        with changed_outputs(lm, self._active(), strength) as dose:
            yield dose

    @contextmanager
    def used(self, lm: Host, *, force: bool = False) -> Iterator[None]:
        """Have the patch in effect whichever way it can be: in the weights, or while the model runs if it steers."""
        with self.attached(lm, force=force) if self.steers else self.applied(lm, force=force):
            yield

    @property
    def steers(self) -> bool:
        """Whether some of it changes activations, so that it can be attached but not applied."""
        return any(steering(terms) for terms in self._active().values())

    def attachable(self, lm: Host) -> bool:
        """Return whether `attached` can add this patch while the model runs: every tensor is a linear module's own."""
        try:
            for name, terms in self.terms.items():
                if in_weights(terms):
                    lm.linear(name)
        except UsageError:
            return False
        return True

    def check_base(self, lm: Host) -> None:
        """Raise PatchMismatch unless every touched tensor is, bit for bit, the one this patch was made for."""
        check_stamps(lm, self.before, self.provenance.base.get("name", "?"))

    def verify(self, lm: Host) -> dict[str, float]:
        """Check the base and, for an unscaled patch, that applying it gives exactly the promised bytes.

        Returns:
            Intended and effective norm and the number of entries changed.

        Raises:
            PatchMismatch: when base or result differ.
            NoEffect: when nothing changes.
        """
        self.check_base(lm)
        again = Patch.make(lm, {k: list(v) for k, v in self.terms.items()}, method=self.provenance.method, settings={})
        for name, expected in self.after.items():
            if again.after[name] != expected:
                raise PatchMismatch(f"{name} does not become what the patch promises", fix="Report this as a bug.")
        return again.provenance.effect

    def effect(self, lm: Host) -> dict[str, float]:
        """Return the norm of the change as meant and as rounded, and the entries that change: as told, else measured.

        What is told is of the patch as it was made; a sum, and a patch at another strength, tell nothing.
        """
        figures = self.provenance.effect if self.after else {}
        return dict(figures) if all(name in figures for name in FIGURES) else measured(lm, self.terms).plain

    def check_same_base(self, other: Patch) -> None:
        """Raise PatchMismatch when two patches were made for different weights."""
        for name in self.before.keys() & other.before.keys():
            if self.before[name] != other.before[name]:
                raise PatchMismatch(
                    f"the patches were made for different {name}", fix="Make both on the same base model."
                )

    def __mul__(self, factor: float) -> Patch:
        """Return the same patch, `factor` times as strong; 0 is the identity, 1 the patch itself."""
        _check_strength(factor)
        terms = {name: canonical([t.scaled(factor) for t in terms]) for name, terms in self.terms.items()}
        if factor == 1:
            return replace(self, terms=terms)
        return replace(self, terms=terms, after={}, provenance=replace(self.provenance, effect={}))

    __rmul__ = __mul__

    def __add__(self, other: Patch) -> Patch:
        """Return both changes as one patch: summed in float64, rounded once, whatever the order.

        Raises:
            PatchMismatch: when they were made for different weights.
        """
        self.check_same_base(other)
        names = self.terms.keys() | other.terms.keys()
        terms = {name: canonical([*self.terms.get(name, ()), *other.terms.get(name, ())]) for name in sorted(names)}
        parents = sorted(
            (dict(vars(self.provenance)), dict(vars(other.provenance))), key=lambda p: json.dumps(p, sort_keys=True)
        )
        provenance = Provenance("sum", base=self.provenance.base, parents=parents, library=versions())
        before = {**self.before, **other.before}
        for name in self.before.keys() & other.before.keys():  # both touch rows of it, seldom the same
            before[name] = replace(before[name], rows="")
        return Patch(terms, before, provenance)

    def randomised(self, lm: Host, seed: int = 0) -> Patch:
        """Return a control: the same tensors, rows and norms, in random directions.

        A low-rank change keeps which rows it touches and how strongly; only what is added to them becomes random.
        """
        generator = torch.Generator().manual_seed(seed)
        changes: dict[str, Delta | list[Delta]] = {
            name: [term.randomised(generator) for term in terms] for name, terms in self.terms.items()
        }
        return Patch.make(lm, changes, method="random", settings={"like": self.provenance.method, "seed": seed})

    def save(self, path: str | Path) -> Path:
        """Write the patch as one safetensors file; the same patch gives the same bytes."""
        patch_file.write(Path(path), self.terms, self.before, self.after, self.provenance)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path, *, base: str | Path | None = None) -> Patch:
        """Read a patch file, or the folder of a LoRA adapter of peft, and check all of it.

        Args:
            path: of either.
            base: the model that an adapter is for, a folder or a name; by default the one that it names.

        Raises:
            UsageError: when there is no such file, or an adapter names no base.
            CorruptFile: when it is not a whole patch.
            UnsupportedModel: when an adapter is more than low-rank factors.
            PatchMismatch: when it does not fit its base.
        """
        if is_adapter(path):
            from ..export.adapter import read_adapter

            return read_adapter(path, base)
        terms, before, after, provenance = patch_file.read(Path(path))
        return cls(terms, before, provenance, after)

    def save_pretrained(self, folder: str | Path, *, report: str | Path | None = None) -> Path:
        """Write a folder to share: patch.safetensors, a model card (README.md) and SHA256SUMS.

        Args:
            folder: where.
            report: the report.json of an evaluation, for the card.
        """
        from ..export import hub

        return hub.save(self, folder, report)

    @classmethod
    def from_pretrained(cls, name: str | Path, *, revision: str | None = None, base: str | Path | None = None) -> Patch:
        """Read a patch from a folder that `save_pretrained` or peft wrote, or from a repository of the Hugging Face Hub.

        Args:
            name: a folder, or OWNER/NAME.
            revision: branch, tag or commit of a repository.
            base: the model that a LoRA adapter is for; by default the one that it names.

        Raises:
            UsageError: when there is none.
            CorruptFile: when it is not a whole patch.
        """
        from ..export import hub

        return cls.load(hub.fetch(name, revision), base=base)

    def push_to_hub(
        self, name: str, *, report: str | Path | None = None, private: bool = True, revision: str | None = None
    ) -> str:
        """Write the patch with card and sums into a repository of the Hub, made if it is not there; returns its address.

        Args:
            name: OWNER/NAME.
            report: the report.json of an evaluation, for the card.
            private: make a new repository private.
            revision: branch to write to.

        Raises:
            UsageError: when the Hub refuses or can not be reached.
        """
        from ..export import hub

        return hub.push(self, name, report=report, private=private, revision=revision)

    def _active(self) -> dict[str, tuple[Delta, ...]]:
        """Return the terms by tensor, those of scale 0 left out: they are the identity, to the bit."""
        active = {name: tuple(term for term in terms if term.scale) for name, terms in self.terms.items()}
        return {name: terms for name, terms in active.items() if terms}


def _check_strength(factor: float) -> None:
    if not math.isfinite(factor):
        raise UsageError(f"can not scale a patch by {factor}", fix="Give a finite strength: 1 is the patch as made.")
