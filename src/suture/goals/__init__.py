"""Reach a goal without being told a setting: what to want, what to try, what to choose.

No maths of an edit; methods do that.
"""

import lazy_loader

from ..renamed import with_old_names

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = with_old_names(__name__, __getattr__)
