"""A language model with its tokenizer and anatomy: loaded (`load/`), described (`arch/`), run (`run/`).

No method, no measure: it does not know why it is run.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
