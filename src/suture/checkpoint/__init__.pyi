from .difference import diff as diff
from .format.folder import Checkpoint as Checkpoint
from .verbs import apply as apply
from .verbs import revert as revert
