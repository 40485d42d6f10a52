"""A talk with a model under a patch, at any strength.

No web page; that is `serve/`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
