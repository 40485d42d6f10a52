"""Find the settings and the strength that do most within a damage budget.

All strengths of a candidate share their batches: its patch is attached, not merged, and every prompt is repeated once per
strength with its own dose, so a curve costs about as much as its prompts, not a model per point (`doses`). Settings are
searched by optuna's tree-structured Parzen estimator in a journal on disk, so an interrupted search goes on where it was
(`explore`). The choice is confirmed on fresh cases, and its strength refined there (`confirm`); it is then measured merged,
on prompts that nothing has seen.
"""

from .confirm import confirmed, refined
from .doses import dose_response
from .explore import explore, search
from .points import Frontier, Measured, Point, Settings

__all__ = ["Frontier", "Measured", "Point", "Settings", "confirmed", "dose_response", "explore", "refined", "search"]
