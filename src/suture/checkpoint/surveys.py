"""What a stack of patches makes of each tensor: every hash, computed from one reading, several tensors side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from .pool import each
from .rows import Survey, touched
from .stack import Layer, Stack


def surveyed(old: Stack, new: Stack, names: Sequence[str]) -> Iterator[Survey]:
    """Yield what becomes of tensors when the patches on them change, in the order of `names`.

    Args:
        old: the stack that is on the checkpoint.
        new: the stack that will be.
        names: of tensors that a patch of either touches.
    """

    def one(name: str) -> Survey:
        if found := old.surveys.get(new.key(name)):
            return found
        rows = (new if name in new.tensors else old).rows(name)
        write = touched([*old.touched(name), *new.touched(name)], rows.shape)
        return rows.survey(write, new.floors(name), old.seen.get(name, ""))

    return each(one, names)


def foresee(stack: Stack, layers: Sequence[Layer]) -> None:
    """Survey what patches make of a checkpoint that has none, before it is known whether they fit.

    Nearly always they do, and all stand on floor 0: then the hash that says so and the hash of the result come from one
    reading of the disk instead of two. Where they do not, what was computed is never asked for.
    """
    guess = replace(stack, layers=tuple(layers))
    for name, found in zip(guess.tensors, surveyed(stack, guess, guess.tensors), strict=True):
        stack.seen[name] = found.current
        stack.surveys[guess.key(name)] = found


def hashed(stack: Stack, names: Sequence[str]) -> None:
    """Hash tensors as they are on disk, those that were not hashed yet; the stack remembers them."""
    new = [name for name in names if name not in stack.seen]
    for name, found in zip(new, each(lambda name: stack.rows(name).sha256(), new), strict=True):
        stack.seen[name] = found
