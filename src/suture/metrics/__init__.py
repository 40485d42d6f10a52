"""What is measured, one file a property, whose function `observe` is marked `@metric`; see `Metric` for its parts.

Metrics see models and cases, never patches or methods: an evaluation can not know what it evaluates.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
