"""Judges say what a generated text is: one label a text, from a fixed set that includes "neither".

What a judge can not place is "neither", never the answer one hoped for: gibberish is no success of an edit. How far each
agrees with people is measured in docs/judges.md.
"""

import lazy_loader

from ..renamed import with_old_names

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = with_old_names(__name__, __getattr__)
