"""Locators: where a behaviour sits. One file each; each returns a `Region` of the weights or a `Direction` of the activations."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
