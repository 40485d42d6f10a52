"""What a model does, before and after: suites, evaluation, gates, budgets, the report as data.

Knows no method; `report/` draws what is measured here.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
