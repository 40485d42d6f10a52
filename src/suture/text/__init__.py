"""What letters, words and gaps are in any script; what a reader sees, and what must stay hidden.

Strings in, strings out: no file, no model.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
