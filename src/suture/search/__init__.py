"""Find the settings and the strength that do most within a damage budget.

All strengths of a candidate share their batches: its patch is attached, not merged, and every prompt is repeated once per
strength with its own dose, so a curve costs about as much as its prompts, not a model per point (`strength_sweep`). How strong a
candidate may be is bracketed: from where it hardly moves the model's final states (`measured_span`) to where the budget breaks
(`find_bracket`, `climb`). Many settings are measured on few cases and the better ones on more (`explore`), in a journal on
disk, so an interrupted search goes on where it was. What the base differs by from itself is no loss (`noise_of`). The choice is
confirmed on fresh cases, and its strength refined there (`confirm_choice`, `soften_choice`, `refine_choice`). Knows no goal.
"""

from ..renamed import with_old_names
from .bracket import Bracket, find_bracket
from .climb import climb
from .confirm import confirm_choice, refine_choice, soften_choice
from .explore import Rung, drawn, explore, search
from .noise import noise_of
from .points import Frontier, Measured, Point, Settings
from .state_shift import Span, measured_span
from .strength_sweep import strength_sweep

__all__ = [
    "Bracket",
    "Frontier",
    "Measured",
    "Point",
    "Rung",
    "Settings",
    "Span",
    "climb",
    "confirm_choice",
    "drawn",
    "explore",
    "find_bracket",
    "measured_span",
    "noise_of",
    "refine_choice",
    "search",
    "soften_choice",
    "strength_sweep",
]


__getattr__ = with_old_names(__name__)
