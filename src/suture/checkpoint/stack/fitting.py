"""Whether a patch fits a checkpoint, and on which floor it stands. Reads; never writes."""

from __future__ import annotations

from dataclasses import replace

from ...errors import PatchMismatch, UnsupportedModel
from ...patch.patch import Patch
from ...text.printable import command_line
from ..change.surveys import hashed
from ..format.folder import Checkpoint
from ..format.spans import equal
from ..format.unsupported import tied, twins
from .stack import Layer, Stack, check_editable, with_copies


def placed(stack: Stack, layer: Layer, *, force: bool) -> Layer:
    """Return a patch with the floor on which it stands: with the others made for the same weights, or above them.

    Raises:
        PatchMismatch: when it was made for other weights, or is on already (unless `force`; then what differs is kept).
        UnsupportedModel: when it would change an embedding that is also the output head (unless `force`).
    """
    checkpoint, patch = stack.checkpoint, layer.patch
    differs = check_place(checkpoint, patch, force=force)
    hashed(stack, list(patch.before))
    current = {name: stack.seen[name] for name in patch.before}
    for name, digest in current.items():
        stack.check_unchanged(name, digest)
    differs += check_absent(stack, layer, force=force)
    top = stack.top
    new = top + 1 if stack.layers else 0
    for floor in [top, *([new] if new > top else []), *range(top - 1, -1, -1)]:
        if _fits(stack, layer, floor, current) and not _under(stack, layer, floor):
            return _on(layer, floor, differs)
    reasons = _differences(stack, layer, current)
    if not force:
        raise PatchMismatch(reasons[0], why="; ".join(reasons[1:3]) or _why(layer, current), fix=_fix(layer))
    return _on(layer, new, [*differs, *reasons])


def check_absent(stack: Stack, layer: Layer, *, force: bool) -> list[str]:
    """Raise PatchMismatch when a patch is on already (unless `force`; then returns that it is)."""
    on = [number for number, other in enumerate(stack.layers, 1) if layer.entry.sha256 == other.entry.sha256]
    if on and not force:
        raise PatchMismatch(
            f"{layer.entry.name} is already on {stack.checkpoint.path}",
            why=f"It is number {on[0]}, at scale {stack.layers[on[0] - 1].entry.scale:g}: if that is meant, it is done.",
            fix=f"See what is on it: {command_line('show', stack.checkpoint.path)}",
        )
    return ["applied before"] if on else []


def check_place(checkpoint: Checkpoint, patch: Patch, *, force: bool) -> list[str]:
    """Check what can be checked without reading a weight. Returns what differs and was forced.

    Raises:
        PatchMismatch: when a tensor has no place, another shape or type.
        UnsupportedModel: when the patch would change an embedding that is also the output head (unless `force`).
    """
    check_editable(checkpoint, patch)
    shared = {name: why for name in patch.before if (why := tied(checkpoint, name))}
    if shared and not force:
        name, why = next(iter(shared.items()))
        raise UnsupportedModel(
            f"{name} is both input embedding and output head",
            why=why,
            fix="Untie them first (a head of its own, tie_word_embeddings false), or mean both: `force=True`.",
        )
    return [f"{name}: {why}" for name, why in shared.items()]


def doubled(checkpoint: Checkpoint, layer: Layer, *, force: bool) -> Layer:
    """Return a patch that also changes the copies of its embeddings that a checkpoint holds.

    Where the files hold an embedding and a head with the same bits, and config.json does not say that they are two, loaders
    make one of them: what a patch does to it in memory is done to both. Reads these tensors, and no others.

    Raises:
        UnsupportedModel: when there are copies (unless `force`), or what should be one tensor has two contents.
    """
    copies: dict[str, str] = {}
    for name in layer.patch.before:
        for twin in twins(checkpoint, name):
            if twin in layer.patch.before:
                continue
            if equal(checkpoint.slots[name], checkpoint.slots[twin]):
                copies[twin] = name
            elif checkpoint.config.get("tie_word_embeddings"):
                raise UnsupportedModel(
                    f"{name} and {twin} should be one, and differ",
                    why="config.json says tie_word_embeddings; loaders differ in which of them they take.",
                    fix='If both are meant, set "tie_word_embeddings": false in config.json; else remove the one that is not.',
                )
    if copies and not force:
        twin, name = next(iter(copies.items()))
        raise UnsupportedModel(
            f"{twin} is a copy of {name}",
            why="config.json does not say whether they are one tensor or two.",
            fix='Set "tie_word_embeddings" to false there if they are two; or mean both: `force=True`.',
        )
    return replace(layer, entry=replace(layer.entry, copies=copies), patch=with_copies(layer.patch, copies))


def _fits(stack: Stack, layer: Layer, floor: int, current: dict[str, str]) -> bool:
    for name, stamp in layer.patch.before.items():
        mark = stack.ledger.tensors.get(name)
        digest = mark.below(floor) if mark else current[name]
        if (stamp.sha256, stamp.dtype) != (digest, stack.checkpoint.slot(name).dtype):
            return False
    return True


def _under(stack: Stack, layer: Layer, floor: int) -> bool:
    """Return whether a patch would slip under another that was made on what is there now."""
    return any(
        other.entry.floor > floor and other.patch.terms.keys() & layer.patch.terms.keys() for other in stack.layers
    )


def _differences(stack: Stack, layer: Layer, current: dict[str, str]) -> list[str]:
    reasons = []
    for name, stamp in layer.patch.before.items():
        dtype = stack.checkpoint.slot(name).dtype
        if dtype != stamp.dtype:
            reasons.append(f"{name} is {dtype}, the patch was made for {stamp.dtype}")
        elif current[name] != stamp.sha256:
            reasons.append(
                f"{name} differs from the weight this patch was made for "
                f"(sha256 {current[name][:8]}.. instead of {stamp.sha256[:8]}..)"
            )
    return reasons or ["its tensors belong to different floors of the stack"]


def _why(layer: Layer, current: dict[str, str]) -> str:
    after = layer.patch.after
    if after and all(current[name] == stamp.sha256 for name, stamp in after.items()):
        return "The checkpoint is what this patch makes: it is already patched."
    return "Another revision, another patch, or damaged?"


def _fix(layer: Layer) -> str:
    return f"Use the base model: {layer.patch.provenance.base.get('name', '?')}; or mean it: `force=True`"


def _on(layer: Layer, floor: int, differs: list[str]) -> Layer:
    return replace(layer, entry=replace(layer.entry, floor=floor, forced=differs))
