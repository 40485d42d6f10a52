"""What edits are made from: labelled texts, facts, pairs, instructions, prompts, and the files they stand in.

No model and no tensor; bundled texts are in `bundled/`.
"""

import lazy_loader

from ..renamed import with_old_names
from . import loaders as loaders  # at once: types have their `load` from it

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = with_old_names(__name__, __getattr__)
