"""Reports as pages: words, pictures, the map of safety. Rendering only.

Measures nothing and decides nothing; what a report holds is in `measure/report.py`.
"""

import lazy_loader

from ..renamed import with_old_names

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = with_old_names(__name__, __getattr__)
