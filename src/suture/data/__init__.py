"""What edits are made from: labelled texts, facts, pairs, instructions, prompts, and the files they stand in.

No model and no tensor; bundled texts are in `bundled/`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
