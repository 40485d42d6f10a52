"""Whether the Hugging Face Hub can be reached at all: its library asks for a minute before it gives up."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit
from urllib.request import getproxies


def unreachable() -> bool:
    """Return whether the Hub's host has no address here, so that only files in its cache can be used.

    A proxy looks names up itself: behind one nothing is said.
    """
    from huggingface_hub import constants

    if getproxies():
        return False
    place = urlsplit(constants.ENDPOINT)
    try:
        socket.getaddrinfo(place.hostname, place.port or place.scheme)
    except OSError:
        return True
    return False
