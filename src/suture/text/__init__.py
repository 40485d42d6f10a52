"""What letters, words and gaps are in any script; what a reader sees, and what must stay hidden.

Strings in, strings out: no model, and no file but the tables of words that lie in the package itself (`tables`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
