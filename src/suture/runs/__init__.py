"""What a command did: its folder, its stages, how it is continued.

Knows no method and no model.
"""

import lazy_loader

from ..renamed import with_old_names

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = with_old_names(__name__, __getattr__)
