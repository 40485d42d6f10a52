"""Words of others (from patches, models, files) as a terminal may have them: seen, and never obeyed."""

from __future__ import annotations

import re
import shlex

from .redact import hidden

# Control characters but tab and line feed (escape sequences begin with one), marks that turn the direction of writing
# around, and halves of characters, which no terminal can encode.
OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(text: str) -> str:
    """Return a text as a screen or a log may have it: nothing in it is obeyed, and no secret stands in it."""
    return printable(hidden(text))


def printable(text: str) -> str:
    """Return a text with every character that a terminal obeys written out in ASCII."""
    return OBEYED.sub(lambda match: ascii(match[0])[1:-1], text)


def command_line(*words: object) -> str:
    """Return a command line of suture as a shell reads it: each word whole, whatever is in it; empty ones left out."""
    return shlex.join(["suture", *(text for word in words if (text := str(word)))])
