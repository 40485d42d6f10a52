"""Facts kept beside the weights: a store that reminds the model of them when a prompt asks, and the way into the weights.

`store.py` is the memory and its file, `scope.py` decides which prompts ask for which fact, `hybrid.py` moves facts from a memory
into the weights.
"""

from .hybrid import Consolidated, consolidate
from .scope import Reach, chosen_reach
from .store import Memory

__all__ = ["Consolidated", "Memory", "Reach", "chosen_reach", "consolidate"]
