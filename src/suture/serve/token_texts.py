r"""The text and the bytes of single tokens, as log-probabilities name them.

A token that holds only a part of a character is named by its bytes, "bytes:" with \xe2 and the like behind it, as OpenAI's
completions do: two such tokens would otherwise have one name, and a table of the likeliest would lose one of them.
"""

from __future__ import annotations

import copy
import re
import threading
from functools import cache
from typing import Any

from .detokenizer import UNFINISHED

FALLBACK = re.compile(r"<0x([0-9A-Fa-f]{2})>")  # a byte, in vocabularies of SentencePiece


class TokenTexts:
    """Names tokens; any thread may ask.

    Args:
        tokenizer: is copied, for it serves one thread at a time.
    """

    def __init__(self, tokenizer: Any) -> None:  # noqa: ANN401 - a transformers tokenizer
        self._tokenizer = copy.deepcopy(tokenizer)
        self._special = set(self._tokenizer.all_special_ids)
        self._lock = threading.Lock()
        self._anchor = self._plain_ids("a")
        self._before = self._decoded(self._anchor)
        self._known: dict[int, tuple[str, bytes]] = {}

    def special(self, token: int) -> bool:
        """Return whether a token is no part of the text, as the end token."""
        return token in self._special

    def name(self, token: int) -> str:
        """Return what a token is called: its text, or its bytes where these are no characters."""
        return self._entry(token)[0]

    def raw(self, token: int) -> bytes:
        """Return the bytes that a token adds to a text; of a special token, those of its name."""
        return self._entry(token)[1]

    def _entry(self, token: int) -> tuple[str, bytes]:
        known = self._known.get(token)
        if known is None:
            with self._lock:
                known = self._known[token] = self._looked_up(token)
        return known

    def _looked_up(self, token: int) -> tuple[str, bytes]:
        """Return a token's name and bytes; its text is read behind another, where a blank before it is not left out."""
        written = str(self._tokenizer.convert_ids_to_tokens(token))
        if token in self._special:
            return written, written.encode()
        whole = self._decoded([*self._anchor, token])
        text = whole.removeprefix(self._before) if whole.startswith(self._before) else self._decoded([token])
        if UNFINISHED not in text:
            return text, text.encode()
        raw = _bytes_of(written)
        if raw is None:
            return text, text.encode()
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw), raw

    def _decoded(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _plain_ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def _bytes_of(written: str) -> bytes | None:
    """Return the bytes of a token as vocabularies write it: <0xE2>, or a letter for each byte, as GPT-2's; None for neither."""
    if match := FALLBACK.fullmatch(written):
        return bytes([int(match[1], 16)])
    letters = _letters()
    return bytes(letters[letter] for letter in written) if all(letter in letters for letter in written) else None


@cache
def _letters() -> dict[str, int]:
    """Return which letter stands for which byte. Source: Radford et al. 2019, `bytes_to_unicode` of GPT-2."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(256 + place): byte for place, byte in enumerate(hidden)}
