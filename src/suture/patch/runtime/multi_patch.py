"""Several patches on one running model, each request with its own strengths: what a server needs of the library.

    with attached_together(lm, {"kind": a, "safe": b}) as ward:
        ward.set([{"kind": 1.0}, {}, {"kind": 0.5, "safe": 2.0}])       # three rows of the next batch
        lm.forward(batch)
Bases are hashed once, when the patches are attached; a request that names no patch is answered by the base model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch

from ...errors import UsageError
from ..host import Host
from ..patch import Patch
from .strength import PromptState, Strength


@dataclass(frozen=True, eq=False)
class MultiPatch:
    """The patches in attendance.

    Attributes:
        doses: of each patch.
    """

    doses: Mapping[str, Strength]

    def set(
        self, requests: Sequence[Mapping[str, float]], *, beams: int = 1, prompts: Sequence[int] | None = None
    ) -> None:
        """Say what each row of the next batches gets.

        Args:
            requests: for each row strengths by the patch's name; a patch not named is off.
            beams: rows of the model's batch for each request, in a beam search.
            prompts: length of each row's prompt in tokens, where the first pass does not tell it; see `Strength`.

        Raises:
            UsageError: when a request names a patch that is not attached.
        """
        unknown = {name for request in requests for name in request} - self.doses.keys()
        if unknown:
            raise UsageError(
                f"no patch {min(unknown)!r} is attached",
                why=f"Attached: {', '.join(sorted(self.doses))}.",
                fix="Name one of these, or attach it.",
            )
        for name, dose in self.doses.items():
            strengths = torch.tensor([float(request.get(name, 0.0)) for request in requests])
            dose.strength = strengths if bool(strengths.any()) else 0.0  # what nobody asks for costs nothing
            dose.beams = beams
            dose.prompt = None if prompts is None else torch.tensor(list(prompts))

    @property
    def read(self) -> dict[str, PromptState]:
        """What the pass over the prompts found out for each row, by patch."""
        return {name: dose.read for name, dose in self.doses.items()}

    def recall(self, known: Mapping[str, PromptState]) -> None:
        """Go on with what was read of these rows, where rows have joined a batch or left it."""
        for name, dose in self.doses.items():
            dose.read = known[name]


@contextmanager
def attached_together(lm: Host, patches: Mapping[str, Patch], *, force: bool = False) -> Iterator[MultiPatch]:
    """Attach patches, all off, until the block is left.

    Each acts on what the ones before it made, in the order of their names, so that results do not depend on how the mapping was
    filled; additions do not depend on the order at all.

    Raises:
        PatchMismatch: as `Patch.attached`, before any is attached.
        UsageError: when one of them can not be attached.
    """
    if not force:
        for patch in patches.values():
            patch.check_base(lm)
    with ExitStack() as stack:
        yield MultiPatch(
            {name: stack.enter_context(patches[name].attached(lm, 0.0, force=True)) for name in sorted(patches)}
        )
