"""suture methods: what can be done, and where each idea comes from."""

from __future__ import annotations

from ._options import Json


def methods(json: Json = False) -> None:
    """List the editing methods and the locators."""
    from .. import registry
    from ._console import Console

    console = Console(json)
    listing = {}
    for kind, verb in (("method", "edit"), ("locator", "locate")):
        rows = [[name, registry.about(kind, name)] for name in registry.names(kind)]  # type: ignore[arg-type]
        console.table([f"suture {verb}", "what it does"], rows)
        console.say()
        listing[kind] = dict(rows)
    console.say("settings of one: suture edit NAME --help     your own: suture edit ./mine.py MODEL --data ...")
    console.result(listing)
