"""Where a sequence of edits stands: its ledger, the change of each batch, and what was found after each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

from ..errors import DataError, SutureError
from ..io.files import read_text, write_bytes
from ..measure.health import Health
from ..patch.patch import Patch
from .ledger import Ledger

AGAIN = "Start again in a new folder."


@dataclass(frozen=True, eq=False)
class Check:
    """What was found after a batch.

    Attributes:
        batch: its number.
        right: number of each edit in the model -> whether free generation gives its answer.
        health: of the model.
        complaints: what is beyond the limits; then the batch is not kept.
    """

    batch: int
    right: dict[int, bool]
    health: Health
    complaints: tuple[str, ...] = ()

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        right = {str(number): good for number, good in self.right.items()}
        write_bytes(path, json.dumps({**vars(self), "right": right, "health": self.health.plain()}).encode())

    @classmethod
    def load(cls, path: Path) -> Check:
        """Read what `save` wrote."""
        try:
            content = json.loads(read_text(path, fix=AGAIN))
            right = {int(number): bool(good) for number, good in content["right"].items()}
            return cls(int(content["batch"]), right, Health(**content["health"]), tuple(content["complaints"]))
        except SutureError:  # said already
            raise
        except (ValueError, KeyError, TypeError) as problem:
            raise DataError(f"{path} is no check of a batch", why=repr(problem), fix=AGAIN) from problem


@dataclass(frozen=True, eq=False)
class SequenceState:
    """Where a sequence of edits stands.

    Attributes:
        ledger: every edit.
        patches: the change of each batch that is kept, by number; made for the base model.
        checks: what was found after each batch.
        base: health of the base model.
    """

    ledger: Ledger
    patches: dict[int, Patch]
    checks: tuple[Check, ...]
    base: Health

    @property
    def patch(self) -> Patch | None:
        """The sum of all that is kept."""
        return reduce(add, self.patches.values()) if self.patches else None

    @property
    def stopped(self) -> tuple[str, ...]:
        """What made the last batch be refused, if anything did."""
        return self.checks[-1].complaints if self.checks else ()
