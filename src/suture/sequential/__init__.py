"""Edits that add up: the ledger, the sequence, taking one out.

No method of its own.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
