"""The report of an edit: what it changed, what that cost, and how sure that is, as JSON and as a page to look at.

`content.py` holds what a report is, `words.py` how figures are said, `page.py` the page, `style.py` its looks.
"""

from .content import ROLES, Activity, Directions, Line, Report, Sample, SearchPoint, Where
from .words import UNKNOWN, changed, difference, figure, headline, verdict

__all__ = [
    "ROLES",
    "UNKNOWN",
    "Activity",
    "Directions",
    "Line",
    "Report",
    "Sample",
    "SearchPoint",
    "Where",
    "changed",
    "difference",
    "figure",
    "headline",
    "verdict",
]
