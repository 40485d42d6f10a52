from ._exported import Exported as Exported
from .adapter import adapter_patch as adapter_patch
from .check import Check as Check
from .factors import adapted as adapted
