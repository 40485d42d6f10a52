"""suture: surgery for language models. Find what carries a behaviour, edit it, measure it, ship it as a patch.

What is public stands in `__init__.pyi` and is imported when it is first used, so that `import suture` stays instant.
"""

from typing import Any

import lazy_loader

from . import renamed

_public_name, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    if name in renamed.PUBLIC:
        return renamed.renamed(f"suture.{name}", renamed.PUBLIC[name])
    return _public_name(name)


renamed.install()
