"""Files: read with every check, written whole or not at all; rows of users' files; the network.

Knows what a file is, not what is in it means.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
