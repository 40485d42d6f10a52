"""A patch: named changes to weights, where they came from, and what they were made for. The product of every method.

    with patch.applied(lm):       the weights are changed; on leaving, every bit is what it was
    with patch.attached(lm):      the weights stay; the change is added as the model runs, one strength per batch row
    0.5 * patch,  a + b           patches are values
    patch.save(path), Patch.load(path)

Undo is not subtraction: in bf16, (W + D) - D differs from W in 1 to 27 % of the entries. `applied` keeps the touched rows.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..errors import NoEffect, PatchMismatch, UsageError
from . import file as patch_file
from .activation import ActivationDelta
from .delta import canonical, edited
from .delta_kind import Delta
from .effect import FIGURES, in_weights, measured
from .provenance import Provenance, Stamp, versions
from .runtime.passes import steered
from .runtime.strength import Strength

SWALLOWED = 0.95  # a smaller share of the intended change left after rounding is worth a warning
log = logging.getLogger(__name__)


class Host(Protocol):
    """What a patch needs of a model; `suture.LM` is one. Keeps this module free of transformers."""

    name: str
    fingerprint: str

    def tensor(self, name: str) -> Tensor:
        """Return a live tensor by its name in the checkpoint, in the checkpoint's layout."""

    def disk_dtype(self, tensor: str) -> torch.dtype:
        """Return the type the tensor has in the checkpoint."""

    def linear(self, tensor: str) -> tuple[nn.Module, bool]:
        """Return the module that applies a weight or bias, and whether the weight is stored (in, out)."""

    @property
    def backbone(self) -> nn.Module:
        """The decoder without its head."""

    def passage(self, tensor: str, place: str) -> tuple[nn.Module, str]:
        """Return the module of a tensor's block, and the side of it, where its activations pass (see `ActivationDelta`)."""


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
        terms = {name: canonical(given if isinstance(given, list) else [given]) for name, given in changes.items()}
        found = measured(lm, terms)
        if found.before == found.after and not found.steering:
            raise NoEffect(
                f"{method} would change nothing",
                why="No tensor was touched."
                if not terms
                else "The change is zero, or too small for the weights' precision.",
                fix="Raise the strength or select more rows.",
            )
        if found.effective < SWALLOWED * found.intended:
            log.warning("rounding keeps %.0f %% of the intended change", 100 * found.effective / found.intended)
        made = Provenance(
            method, settings, {"name": lm.name, "revision": lm.fingerprint}, examples or {}, found.plain, [], versions()
        )
        return cls(terms, found.before, made, found.after)

    @contextmanager
    def applied(self, lm: Host, *, force: bool = False) -> Iterator[None]:
        """Change the weights inside the block; restore every bit on leaving, also after an exception.

        Raises:
            PatchMismatch: when a touched tensor is not the one the patch was made for (unless `force`).
            UsageError: when the patch steers activations.
        """
        if not force:
            self.check_base(lm)
        kept: list[tuple[Tensor, Tensor, Tensor]] = []
        try:
            for name, terms in self._active():
                live = lm.tensor(name).data
                for rows, values in edited(live, terms, lm.disk_dtype(name)):
                    place = rows.to(live.device)
                    kept.append((live, place, live[place].clone()))
                    live[place] = values.to(live)
            yield
        finally:
            for live, place, old in reversed(kept):
                live[place] = old

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
        dose = Strength(strength)
        with ExitStack() as hooks:
            for name, terms in self._active():
                if weights := in_weights(terms):
                    module, transposed = lm.linear(name)
                    shape = tuple(lm.tensor(name).shape)
                    hooks.callback(module.register_forward_hook(_adder(weights, shape, transposed, dose)).remove)
            if steers := {name: own for name, terms in self._active() if (own := _steers(terms))}:
                hooks.enter_context(steered(lm, steers, dose))
            yield dose

    @contextmanager
    def used(self, lm: Host, *, force: bool = False) -> Iterator[None]:
        """Have the patch in effect whichever way it can be: in the weights, or while the model runs if it steers."""
        with self.attached(lm, force=force) if self.steers else self.applied(lm, force=force):
            yield

    @property
    def steers(self) -> bool:
        """Whether some of it changes activations, so that it can be attached but not applied."""
        return any(_steers(terms) for _, terms in self._active())

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
        for name, expected in self.before.items():
            try:
                found = Stamp.of(lm.tensor(name), lm.disk_dtype(name))
            except UsageError as problem:  # no such tensor: another architecture
                raise PatchMismatch(problem.what, why=problem.why, fix=problem.fix) from problem
            if found == expected:
                continue
            if (found.shape, found.dtype) != (expected.shape, expected.dtype):
                why = f"It is {found.dtype} {found.shape}, the patch is for {expected.dtype} {expected.shape}."
            else:
                why = f"sha256 {found.sha256[:8]}.. instead of {expected.sha256[:8]}.. Already patched, or another revision?"
            raise PatchMismatch(
                f"{name} differs from the weight this patch was made for",
                why=why,
                fix=f"Use the base model: {self.provenance.base.get('name', '?')}",
            )

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
        told = self.provenance.effect if self.after else {}
        return dict(told) if all(name in told for name in FIGURES) else measured(lm, self.terms).plain

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
        made = Provenance("sum", base=self.provenance.base, parents=parents, library=versions())
        before = {**self.before, **other.before}
        for name in self.before.keys() & other.before.keys():  # both touch rows of it, seldom the same
            before[name] = replace(before[name], rows="")
        return Patch(terms, before, made)

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
    def load(cls, path: str | Path) -> Patch:
        """Read a patch file and check all of it.

        Raises:
            UsageError: when there is no such file.
            CorruptFile: when it is not a whole patch.
        """
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
    def from_pretrained(cls, name: str | Path, *, revision: str | None = None) -> Patch:
        """Read a patch from a folder that `save_pretrained` wrote, or from a repository of the Hugging Face Hub.

        Args:
            name: a folder, or OWNER/NAME.
            revision: branch, tag or commit of a repository.

        Raises:
            UsageError: when there is none.
            CorruptFile: when it is not a whole patch.
        """
        from ..export import hub

        return cls.load(hub.fetch(name, revision))

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

    def _active(self) -> Iterator[tuple[str, tuple[Delta, ...]]]:
        """Yield tensor names and terms, those of scale 0 left out: they are the identity, to the bit."""
        for name, terms in self.terms.items():
            if active := tuple(term for term in terms if term.scale):
                yield name, active


def _check_strength(factor: float) -> None:
    if not math.isfinite(factor):
        raise UsageError(f"can not scale a patch by {factor}", fix="Give a finite strength: 1 is the patch as made.")


def _steers(terms: Sequence[Delta]) -> tuple[ActivationDelta, ...]:
    return tuple(term for term in terms if isinstance(term, ActivationDelta))


def _adder(terms: tuple[Delta, ...], shape: tuple[int, ...], transposed: bool, dose: Strength) -> Callable[..., Tensor]:
    def add(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if dose.off:
            return output
        for term in terms:
            change = dose.scale(term.effect(inputs[0], shape, transposed=transposed) * term.scale).to(output.dtype)
            outputs = term.touched_outputs(transposed=transposed)
            output = output + change if outputs is None else output.index_add(-1, outputs.to(output.device), change)
        return output

    return add
