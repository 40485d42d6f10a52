"""What a request can call the model: the base, or the base with patches, for clients that can choose a model and nothing else.

    patient    patient:kind    patient:kind@0.5    patient:kind@0.5,happy@-1    kind    kind@0.5
A patch's own name stands for the base with it, as vLLM names adapters. A strength that is not said is 1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from starlette.exceptions import HTTPException

from ..errors import UsageError

STRENGTH = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"


class UnknownModel(HTTPException):
    """Nothing here is called so."""

    def __init__(self, reason: str) -> None:
        super().__init__(404, reason)


class ModelNames:
    """Reads names of models.

    Args:
        names: of the base; the first is told.
        patches: names of those that are served.
    """

    def __init__(self, names: Sequence[str], patches: Sequence[str]) -> None:
        self._names, self.patches = list(names), sorted(patches)
        known = "|".join(re.escape(name) for name in sorted(patches, key=len, reverse=True))
        self._one = re.compile(rf"(?P<name>{known})(?:@(?P<strength>{STRENGTH}))?(?P<rest>[,+]|$)") if known else None

    @property
    def base(self) -> str:
        """What the model is called."""
        return self._names[0]

    def strengths(self, name: str) -> dict[str, float]:
        """Return the patches that a name means, with their strengths.

        Args:
            name: as a request has it; "" is the base, as the only one there is.

        Raises:
            UnknownModel: when nothing here is called so.
        """
        if not name or name in self._names:
            return {}
        prefix = next((f"{base}:" for base in self._names if name.startswith(f"{base}:")), "")
        strengths: dict[str, float] = {}
        place = len(prefix)
        while self._one and (match := self._one.match(name, place)):
            if match["name"] in strengths:
                raise UnknownModel(f"The model {name!r} names the patch {match['name']!r} twice.")
            strengths[match["name"]] = float(match["strength"] or 1.0)
            if not math.isfinite(strengths[match["name"]]):
                raise UnknownModel(f"The model {name!r} has a strength that is not finite: {match['strength']}.")
            place = match.end()
            if not match["rest"]:
                return strengths
        raise UnknownModel(self._reason(name, prefix, name[place:]))

    def merged(self, name: str, named: Mapping[str, float]) -> dict[str, float]:
        """Return the patches of a name together with those that a request names beside it.

        Raises:
            UnknownModel: as `strengths`.
            UsageError: when both name a patch, with different strengths.
        """
        strengths = self.strengths(name)
        for patch, strength in strengths.items():
            if named.get(patch, strength) != strength:
                raise UsageError(
                    f"two strengths of {patch!r}",
                    why=f"The field model says {strength:g}, patches says {named[patch]:g}.",
                    fix="Name the patch in one of them.",
                )
        return {**strengths, **named}

    def _reason(self, name: str, prefix: str, rest: str) -> str:
        if not prefix and rest == name:
            example = f"; with patches: {self.base}:{','.join(self.patches)}" if self.patches else ""
            return f"There is no model {name!r} here; it is {self.base!r}{example}."
        served = ", ".join(self.patches) or "none"
        return (
            f"There is no model {name!r} here: {rest!r} is no patch with a strength. Served patches: {served}. "
            f"Write {self.base}:NAME@0.5, several with commas."
        )
