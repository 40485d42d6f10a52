"""What this process holds."""

from __future__ import annotations

import resource
import sys


def resident() -> int:
    """Return the most bytes this process has held so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
