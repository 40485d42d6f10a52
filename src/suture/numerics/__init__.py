"""Maths that knows no model: least squares, the largest of many numbers, the one rounding.

No tensor has a name here; nothing is read or written.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
