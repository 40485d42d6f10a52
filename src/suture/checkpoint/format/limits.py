"""Changes that nobody means: weights that become infinite, and changes far larger than the weights they change.

rms(final - base) > LARGE * max(rms(base), least)        over the rows that a patch touches
"""

from __future__ import annotations

from ...errors import PatchMismatch, UnsupportedModel, UsageError
from ..change.plan import Plan
from ..stack.stack import Layer

LARGE = 10.0  # times the weights; edits in use stay below 3, a strength mistyped by a factor of 100 does not
LEAST = 0.01  # weights smaller than this count as this large, so that a matrix of zeros can be written to
LEAST_VECTOR = 1.0  # biases often begin as zeros, and hold whatever a direction is long


def check_weights(layer: Layer) -> None:
    """Raise UnsupportedModel when a patch changes activations: no file of weights can hold that."""
    if layer.patch.steers:
        raise UnsupportedModel(
            f"{layer.entry.name} steers activations: it can not be written into weights as it is",
            why="What it does is done while the model runs.",
            fix="Where the model has biases: suture bake MODEL --patch PATCH -o BAKED. Else: suture chat MODEL --patch PATCH",
        )


def check_size(plan: Plan, *, allow_large: bool) -> list[str]:
    """Check what the touched rows become. Returns what was allowed although it is large.

    Raises:
        PatchMismatch: when numbers overflow the type of the weights.
        UsageError: when a change is far larger than the weights (unless `allow_large`).
    """
    notes = []
    for change in plan.changes:
        name, survey = change.rows.slot.name, plan.surveys[change.rows.slot.name]
        if survey.broken:
            raise PatchMismatch(
                f"{name} would hold infinities",
                why=f"{survey.broken} of its numbers leave the range of {change.rows.slot.dtype}.",
                fix="Give a smaller `scale`.",
            )
        least = LEAST if len(change.rows.shape) > 1 else LEAST_VECTOR
        if survey.moved > LARGE * max(survey.held, least):
            size = f"a change of {survey.moved:.3g} (root mean square) to weights of {survey.held:.3g}"
            if not allow_large:
                raise UsageError(
                    f"{name} would change beyond measure",
                    why=f"It is {size}.",
                    fix="Check `scale`; or mean it: `allow_large=True`",
                )
            notes.append(f"allowed: {name}, {size}")
    return notes
