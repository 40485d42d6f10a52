from .presets import operate as operate
from .schema import Goal as Goal
