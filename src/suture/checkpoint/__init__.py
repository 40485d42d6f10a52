"""Patches on disk: put on a checkpoint of any size and taken off, a few rows in memory at a time, safe against crashes.

`format/` what lies there, `stack/` which patches are on it, `change/` what a change will do before a byte is written, `write/`
how it reaches the disk; the verbs stand beside. Knows torch, never transformers, and never loads a model.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
