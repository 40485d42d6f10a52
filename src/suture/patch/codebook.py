"""A codebook: states that are recognised and replaced while a model runs, the delta of GRACE.

    h' = h + a (v_i - h)   where |h - k_i| <= e_i, the nearest such i;   h' = h elsewhere      h, k, v: (d,)   a: strength
With nearest="key", as published: i = argmin_i |h - k_i| of all keys, and h' = h where |h - k_i| > e_i of that one.

Source: Hartvigsen et al. 2023, "Aging with GRACE: Lifelong Model Editing with Discrete Key-Value Adaptors", eq. 2.
Each token is decided by its own state, so that caches, padding and batches change nothing; what is not recognised keeps its bits.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from .activation import ActivationDelta, Place, Positions

Nearest = Literal["ball", "key"]
SLACK = 1e-5  # of a distance between keys that say different things, which both radii together leave free


class Entry(NamedTuple):
    """What an entry stands for: of a fact's target the token with this id, said after those before it."""

    prompt: str
    subject: str
    target: str
    token: int


@dataclass(frozen=True, eq=False)
class Codebook(ActivationDelta):
    """See the module's docstring.

    Attributes:
        keys: (entries, d) float32, states that are recognised.
        values: (entries, d) float32, what takes their place.
        radii: (entries,) float32, how far from its key a state is still recognised.
        gains: (entries,) float32, a strength for each entry; None for 1.
        entries: what each stands for.
        positions: see `ActivationDelta`.
        place: see `ActivationDelta`; a codebook stands behind a block.
        nearest: which entry a state is given to: the nearest key of those whose "ball" holds it, or the nearest "key" of all,
            which replaces it only in its own ball.
    """

    kind = "codebook"
    direction = "values"
    OTHERWISE: ClassVar[str] = "write its facts into weights: suture edit rome"
    keys: Tensor
    values: Tensor
    radii: Tensor
    gains: Tensor | None = None
    entries: tuple[Entry, ...] = ()
    positions: Positions = "answer"
    place: Place = "residual"
    nearest: Nearest = "ball"

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", tuple(Entry(*entry) for entry in self.entries))

    def settings(self) -> dict[str, Any]:
        """See `Delta.settings`."""
        settings = {
            "entries": [list(entry) for entry in self.entries],
            "positions": self.positions,
            "place": self.place,
        }
        return settings if self.nearest == "ball" else {**settings, "nearest": self.nearest}  # files keep their bytes

    def norm(self, shape: tuple[int, ...]) -> float:
        """Return the norm of all moves, from each key to its value, scale included."""
        return abs(self.scale) * float(((self.values - self.keys) * self._gains[:, None]).norm())

    def moved(self, states: Tensor, amount: float | Tensor) -> Tensor:
        """See `ActivationDelta.moved`."""
        flat = states.reshape(-1, states.shape[-1]).float()
        apart = distances(flat, self.keys.to(flat))
        radii = self.radii.to(apart)
        if self.nearest == "key":
            distance, index = apart.min(dim=1)
            near = (distance <= radii[index])[:, None]
        else:
            distance, index = apart.masked_fill(apart > radii, torch.inf).min(dim=1)
            near = torch.isfinite(distance)[:, None]
        index = index.to(self.values.device)
        pull = (self.values[index].to(flat) - flat) * self._gains[index, None].to(flat)
        step = torch.where(near, pull, torch.zeros_like(pull)).view(states.shape).to(states)
        return step * amount

    @property
    def null(self) -> bool:
        """Whether it does nothing, at any strength."""
        return (
            not self.scale or not len(self.keys) or bool(((self.values - self.keys) * self._gains[:, None] == 0).all())
        )

    def without(self, numbers: Collection[int]) -> Codebook | None:
        """Return the codebook without some entries; None when none is left. The radii of the rest stay."""
        rest = [i for i in range(len(self.keys)) if i not in numbers]
        if not rest:
            return None
        gains = None if self.gains is None else self.gains[rest]
        entries = tuple(self.entries[i] for i in rest)
        return replace(
            self, keys=self.keys[rest], values=self.values[rest], radii=self.radii[rest], gains=gains, entries=entries
        )

    @property
    def _gains(self) -> Tensor:
        return torch.ones(len(self.keys)) if self.gains is None else self.gains

    def _misfit(self, shape: tuple[int, ...]) -> str:
        if self.positions not in get_args(Positions) or self.place != "residual":
            return f"a codebook for {self.positions!r} tokens at {self.place!r}"
        if self.nearest not in get_args(Nearest):
            return f"a codebook of the nearest {self.nearest!r}"
        if self.keys.dim() != 2 or self.keys.shape != self.values.shape or self.keys.shape[1] not in shape:
            return f"keys of shape {tuple(self.keys.shape)}, values of {tuple(self.values.shape)}"
        count = len(self.keys)
        if self.radii.shape != (count,) or (self.gains is not None and self.gains.shape != (count,)):
            return "not one radius for each key"
        if bool((self.radii < 0).any()):
            return "a radius below 0"
        if len(self.entries) != count or not all(
            isinstance(e.token, int) and all(isinstance(word, str) for word in e[:3]) for e in self.entries
        ):
            return "it does not say what each entry stands for"
        return ""


def joined(books: Sequence[Codebook]) -> list[Codebook]:
    """Return the codebooks of one place as one for each kind of positions and of nearest, scales included."""
    codebooks = []
    for positions, nearest in dict.fromkeys((book.positions, book.nearest) for book in books):
        group = [book for book in books if (book.positions, book.nearest) == (positions, nearest)]
        keys, values, radii = (
            torch.cat([getattr(book, name) for book in group]) for name in ("keys", "values", "radii")
        )
        gains = torch.cat([book._gains * book.scale for book in group])
        entries = sum((book.entries for book in group), ())
        codebooks.append(Codebook(keys, values, radii, gains, entries, positions, nearest=nearest))
    return codebooks


def distances(states: Tensor, keys: Tensor) -> Tensor:
    """Return how far states are from keys, (rows, d), (entries, d) -> (rows, entries), by differences: near is exact."""
    return torch.cdist(states, keys, compute_mode="donot_use_mm_for_euclid_dist")


def apart(keys: Tensor, radii: Tensor, says: Sequence[int]) -> Tensor:
    """Return radii that are nowhere larger, so that balls that say different things never meet: e_i + e_j < |k_i - k_j|.

    Args:
        keys: (entries, d).
        radii: (entries,) as wished for.
        says: what each entry says: its token.
    """
    between = distances(keys, keys)
    other = torch.tensor([[a != b for b in says] for a in says]).view(len(keys), -1)
    half = torch.where(other, between, torch.inf).min(dim=1).values / 2 * (1 - SLACK)
    return torch.minimum(radii, half.to(radii))
