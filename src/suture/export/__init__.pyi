from ._exported import Exported as Exported
from .check import Check as Check
from .factors import adapted as adapted
