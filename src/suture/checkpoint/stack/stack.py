"""The patches on a checkpoint, loaded and ready to be computed with: a value; adding or taking off gives another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor

from ...errors import CorruptFile, PatchMismatch, UsageError
from ...io.files import sha256
from ...patch.delta import canonical, touched
from ...patch.delta_kind import Delta
from ...patch.patch import Patch
from ...text.printable import command_line
from ..change.rows import Rows
from ..change.survey import Survey
from ..format.folder import KEPT, Checkpoint
from ..format.unsupported import FLOATS
from .ledger import Entry, Ledger
from .undo import Undo

Key = tuple[str, tuple[tuple[str, float, int], ...]]  # a tensor and the patches on it: SHA-256, scale, floor
DAMAGED = "Take the base checkpoint and apply the patches again."


@dataclass(frozen=True)
class Layer:
    """One patch of a stack.

    Attributes:
        entry: its line in the ledger.
        patch: what is in its file, and the same for copies of its tensors (`Entry.copies`).
        file: where its file is now.
    """

    entry: Entry
    patch: Patch
    file: Path


@dataclass(frozen=True)
class Stack:
    """The patches on a checkpoint.

    Attributes:
        checkpoint: that they are on.
        ledger: what suture.json says.
        layers: the patches, in the order of the ledger.
        undo: where base bits are kept.
        seen: SHA-256 of tensors as they are on disk, as far as they were computed; shared by the stacks made of this one.
        surveys: what was computed of tensors already, by `key`; shared in the same way.
    """

    checkpoint: Checkpoint
    ledger: Ledger
    layers: tuple[Layer, ...] = ()
    undo: tuple[Undo, ...] = ()
    seen: dict[str, str] = field(default_factory=dict, repr=False)
    surveys: dict[Key, Survey] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, checkpoint: Checkpoint, ledger: Ledger | None = None) -> Stack:
        """Read the patches that a ledger names (that of the checkpoint, if none is given).

        Raises:
            CorruptFile: when one is missing or not the one that was applied.
        """
        ledger = Ledger.load(checkpoint.path) if ledger is None else ledger
        kept = checkpoint.path / KEPT
        for name, digest in ledger.files.items():
            file = kept / name
            if not file.is_file() or file.is_symlink() or sha256(file) != digest:
                raise CorruptFile(f"{file} is missing or damaged", why="suture.json names it.", fix=DAMAGED)
        layers = tuple(
            Layer(entry, with_copies(Patch.load(kept / entry.file), entry.copies), kept / entry.file)
            for entry in ledger.patches
        )
        undo = (Undo(kept / ledger.undo_file),) if ledger.undo else ()
        for layer in layers:
            absent = layer.patch.before.keys() - ledger.tensors.keys()
            if absent:
                raise CorruptFile(f"suture.json of {checkpoint.path} is damaged", why=f"No {min(absent)}.", fix=DAMAGED)
        return cls(checkpoint, ledger, layers, undo)

    @property
    def tensors(self) -> list[str]:
        """Names of the tensors that a patch of the stack touches."""
        return sorted({name for layer in self.layers for name in layer.patch.terms})

    @property
    def top(self) -> int:
        """The highest floor that a patch stands on, or 0."""
        return max((layer.entry.floor for layer in self.layers), default=0)

    def floors(self, name: str) -> dict[int, tuple[Delta, ...]]:
        """Return the changes to a tensor by floor, each in canonical order; changes of scale 0 are left out."""
        floors: dict[int, list[Delta]] = {}
        for layer in self.layers:
            terms = [term.scaled(layer.entry.scale) for term in layer.patch.terms.get(name, ())]
            if active := [term for term in terms if term.scale]:
                floors.setdefault(layer.entry.floor, []).extend(active)
        return {floor: canonical(terms) for floor, terms in floors.items()}

    def rows(self, name: str) -> Rows:
        """Return a touched tensor as rows, in the shape that its patches see."""
        for layer in self.layers:
            if stamp := layer.patch.before.get(name):
                return Rows(self.checkpoint.slot(name), stamp.shape, self.undo)
        slot = self.checkpoint.slot(name)
        return Rows(slot, slot.shape, self.undo)

    def reached(self, other: Stack, name: str) -> tuple[Rows, Tensor]:
        """Return a tensor as rows, and the numbers of those that differ at most when another stack takes the place of this."""
        rows = (other if other.on(name) else self).rows(name)
        return rows, touched([*self.touched(name), *other.touched(name)], rows.shape)

    def on(self, name: str) -> list[Layer]:
        """Return the patches that touch a tensor."""
        return [layer for layer in self.layers if name in layer.patch.terms]

    def key(self, name: str) -> Key:
        """Return what decides what a tensor becomes."""
        on = [layer.entry for layer in self.on(name)]
        return name, tuple((entry.sha256, entry.scale, entry.floor) for entry in on)

    def changing(self, other: Stack) -> list[str]:
        """Return the names of the tensors on which another stack has other patches."""
        return [name for name in sorted({*self.tensors, *other.tensors}) if self.key(name) != other.key(name)]

    def check_unchanged(self, name: str, digest: str) -> None:
        """Raise PatchMismatch when a patched tensor has another SHA-256 than the ledger says."""
        mark = self.ledger.tensors.get(name)
        if mark and digest != mark.current:
            raise PatchMismatch(
                f"{name} was changed since its patches were applied",
                why=f"sha256 {digest[:8]}.. instead of {mark.current[:8]}..",
                fix=f"See what is wrong: {command_line('verify', self.checkpoint.path)}",
            )

    def touched(self, name: str) -> list[Delta]:
        """Return every change to a tensor, whatever its floor or scale."""
        return [term for layer in self.layers for term in layer.patch.terms.get(name, ())]

    def with_undo_of(self, other: Stack) -> Stack:
        """Return the same stack that also knows the base bits another keeps."""
        return replace(self, undo=(*self.undo, *other.undo))

    def adding(self, layer: Layer) -> Stack:
        """Return the stack with one patch more."""
        return replace(self, layers=(*self.layers, layer))

    def without(self, chosen: Sequence[int], *, force: bool = False) -> Stack:
        """Return the stack with the patches of these positions taken out, wherever they lie.

        Raises:
            PatchMismatch: when a patch that stays was made on the result of one that goes (unless `force`).
        """
        stay = [layer for number, layer in enumerate(self.layers) if number not in chosen]
        for gone in (self.layers[number] for number in chosen):
            for place, layer in enumerate(stay):
                if layer.entry.floor <= gone.entry.floor or not layer.patch.terms.keys() & gone.patch.terms.keys():
                    continue
                if not force:
                    raise PatchMismatch(
                        f"{layer.entry.name} was made on the result of {gone.entry.name}",
                        why="Both change the same tensors.",
                        fix=f"Take both off: name {layer.entry.sha256[:8]}, too. Or keep it by `force=True`.",
                    )
                forced = [*layer.entry.forced, f"made on the result of {gone.entry.name}, which was taken off"]
                stay[place] = replace(layer, entry=replace(layer.entry, forced=forced))
        return replace(self, layers=tuple(stay))

    def find(self, words: Sequence[str]) -> list[int]:
        """Return the positions of the patches that are meant: by number from 1, SHA-256, name or file; all if none is named.

        Raises:
            UsageError: when a word means no patch, or several.
        """
        return positions_of([layer.entry for layer in self.layers], words, self.checkpoint.path)


def positions_of(entries: Sequence[Entry], words: Sequence[str], path: Path) -> list[int]:
    """Return the positions of the patches that words mean; see `Stack.find`.

    Args:
        entries: the patches on a checkpoint.
        words: numbers from 1, SHA-256, names or files; all patches if there are none.
        path: of the checkpoint, for errors.

    Raises:
        UsageError: when there is no patch, or a word means none or several.
    """
    if not entries:
        raise UsageError(f"no patch is on {path}", why="It has no suture.json.", fix="Check the path.")
    positions = []
    for word in words:
        if Path(word).is_file():  # that very patch, and not another one of its name
            digest = sha256(Path(word))
            near = [number for number, entry in enumerate(entries) if entry.sha256 == digest]
        else:
            near = [number for number, entry in enumerate(entries) if _means(word, number, entry)]
        if len(near) != 1:
            what = f"{word!r} means no patch" if not near else f"{word!r} means several patches"
            raise UsageError(f"{what} of {path}", why=f"On it are: {listed(entries)}.", fix="Name one by its number.")
        positions += near
    return sorted(set(positions)) if words else list(range(len(entries)))


def listed(entries: Sequence[Entry]) -> str:
    """Return the patches on a checkpoint for people: number, first digits of the SHA-256, name."""
    return ", ".join(f"{number} {entry.sha256[:8]} ({entry.name})" for number, entry in enumerate(entries, 1))


def read_layer(path: Path, scale: float, floor: int = 0) -> Layer:
    """Read a patch file that is to be applied; the floor is a guess until it is `placed`."""
    patch = Patch.load(path)
    return Layer(Entry(path.name, sha256(path), patch.provenance.method, float(scale), floor), patch, path)


def with_copies(patch: Patch, copies: Mapping[str, str]) -> Patch:
    """Return a patch that changes copies of its tensors as it changes these: `copies` names for each copy what it is one of.

    Raises:
        CorruptFile: when the patch has no such tensor.
    """
    if not copies:
        return patch
    if odd := {*copies.values()} - patch.terms.keys():
        raise CorruptFile("suture.json is damaged", why=f"Its patch has no {min(odd)}.", fix=DAMAGED)
    return replace(
        patch,
        terms={**patch.terms, **{copy: patch.terms[name] for copy, name in copies.items()}},
        before={**patch.before, **{copy: patch.before[name] for copy, name in copies.items()}},
        after={**patch.after, **{copy: patch.after[name] for copy, name in copies.items() if name in patch.after}},
    )


def check_editable(checkpoint: Checkpoint, patch: Patch) -> None:
    """Raise PatchMismatch when a tensor of a patch has no place, another shape, or a type that can not be rounded to."""
    for name, stamp in patch.before.items():
        slot = checkpoint.slot(name)
        if slot.dtype not in FLOATS or not slot.raw:
            raise PatchMismatch(f"{name} is no floating-point tensor", why=f"{slot.dtype} {slot.raw}.", fix="Check it.")
        if stamp.shape not in (slot.shape, slot.raw):
            raise PatchMismatch(
                f"{name} differs from the weight this patch was made for",
                why=f"It is {slot.dtype} {slot.shape}, the patch is for {stamp.dtype} {stamp.shape}.",
                fix=f"Use the base model: {patch.provenance.base.get('name', '?')}",
            )


def _means(word: str, number: int, entry: Entry) -> bool:
    by_digest = len(word) >= 6 and entry.sha256.startswith(word)
    return word == str(number + 1) or by_digest or word == entry.name
