from .pipeline import reach as reach
from .schema import Goal as Goal
