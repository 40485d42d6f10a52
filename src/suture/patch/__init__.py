"""The change itself: deltas, the patch and its file, where two patches meet; `runtime/` puts it on a live model.

Never a method, never a folder of weights.
"""

import lazy_loader

from ..renamed import with_old_names

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = with_old_names(__name__, __getattr__)
