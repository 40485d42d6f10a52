"""What a command did: its folder, its stages, how it is continued.

Knows no method and no model.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
