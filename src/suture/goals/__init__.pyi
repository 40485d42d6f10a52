from .goal import Goal as Goal
from .presets import operate as operate
