"""Tokens that hold a part of a character: their bytes, and how another vocabulary writes these.

Byte-level tokenizers (GPT-2's) name each byte by a character of an alphabet of 256; those with a byte fallback (SentencePiece)
have a token "<0xE2>" for each. Alone such a token decodes to U+FFFD, which is another character with tokens of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

REPLACED = "\ufffd"  # what stands for bytes that are no character
FALLBACK = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SHOWN = [*range(33, 127), *range(161, 173), *range(174, 256)]  # bytes that the alphabet names by their own character
_REST = [byte for byte in range(256) if byte not in _SHOWN]
ALPHABET = {chr(byte): byte for byte in _SHOWN} | {chr(256 + place): byte for place, byte in enumerate(_REST)}


def bytes_of(token: str) -> bytes:
    """Return the bytes that a token of a vocabulary names; b"" where it is of neither kind."""
    if match := FALLBACK.fullmatch(token):
        return bytes([int(match[1], 16)])
    return bytes(ALPHABET[char] for char in token) if all(char in ALPHABET for char in token) else b""


def is_piece(token: str, text: str) -> bool:
    """Return whether a token, decoded alone to `text`, holds a part of a character, and not the character U+FFFD itself."""
    if REPLACED not in text:
        return False
    try:
        bytes_of(token).decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def spelling(wanted: bytes, by_bytes: Mapping[bytes, int]) -> list[int]:
    """Return the tokens that write some bytes, the longest first at each place; none where they can not be written.

    Args:
        wanted: what is to be written.
        by_bytes: the tokens of a vocabulary by their bytes.
    """
    tokens, begin = [], 0
    while begin < len(wanted):
        end = next((end for end in range(len(wanted), begin, -1) if wanted[begin:end] in by_bytes), None)
        if end is None:
            return []
        tokens.append(by_bytes[wanted[begin:end]])
        begin = end
    return tokens
