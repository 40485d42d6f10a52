"""Reports as pages: words, pictures, the map of safety. Rendering only.

Measures nothing and decides nothing; what a report holds is in `measure/report.py`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
