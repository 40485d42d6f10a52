"""Find the settings and the strength that do most within a damage budget.

All strengths of a candidate share their batches: its patch is attached, not merged, and every prompt is repeated once per
strength with its own dose, so a curve costs about as much as its prompts, not a model per point (`strength_sweep`). Settings are
searched by optuna's tree-structured Parzen estimator in a journal on disk, so an interrupted search goes on where it was
(`explore`). The choice is confirmed on fresh cases, and its strength refined there (`confirm`); it is then measured merged,
on prompts that nothing has seen.
"""

from ..renamed import with_old_names
from .confirm import confirm_choice, refine_choice
from .explore import explore, search
from .points import Frontier, Measured, Point, Settings
from .strength_sweep import strength_sweep

__all__ = [
    "Frontier",
    "Measured",
    "Point",
    "Settings",
    "confirm_choice",
    "explore",
    "refine_choice",
    "search",
    "strength_sweep",
]


__getattr__ = with_old_names(__name__)
