from .direction import Direction as Direction
from .mask import Mask as Mask
from .probe import Probe as Probe
from .probe import fit_probe as fit_probe
from .region import Region as Region
