"""Secrets do not reach a file or a screen: what looks like a key, or stands where keys stand, is hidden wherever suture writes.

By shape: keys of known services. By place: user:password@ of an address, a query parameter or assignment named like a key, an
Authorization header. Nothing that is hidden has a quote, a bracket, a backslash or white space in it, so a text stays the JSON,
YAML or HTML that it was.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

HIDDEN = "[hidden]"
# How keys of known services begin, and what follows. A key begins where no word goes on.
_SHAPES = {
    "hf_": r"[A-Za-z0-9]{16,}", "api_org_": r"[A-Za-z0-9]{16,}",  # Hugging Face
    "sk-": r"(?:(?=[\w-]*\d)[\w-]{16,}|[A-Za-z0-9]{32,})", "r8_": r"[A-Za-z0-9]{16,}",
    "gsk_": r"[A-Za-z0-9]{16,}", "xai-": r"[A-Za-z0-9]{16,}",
    "nvapi-": r"[\w-]{16,}", "pplx-": r"[A-Za-z0-9]{16,}", "tgp_v1_": r"[\w-]{16,}", "dapi": r"[0-9a-f]{32}",
    "gh": r"[pousr]_[A-Za-z0-9]{16,}", "github_pat_": r"\w{16,}", "gl": r"[a-z]{1,4}t-[\w-]{16,}", "npm_": r"[A-Za-z0-9]{16,}",
    "pypi-": r"[\w-]{16,}", "AKIA": r"[A-Z0-9]{12,}", "ASIA": r"[A-Z0-9]{12,}", "AIza": r"[\w-]{20,}", "ya29.": r"[\w-]{16,}",
    "dop_v1_": r"[0-9a-f]{32,}", "xox": r"[abeprs]-[A-Za-z0-9-]{10,}", "sk_": r"(?:live|test)_[A-Za-z0-9]{10,}",
    "rk_": r"(?:live|test)_[A-Za-z0-9]{10,}", "whsec_": r"[A-Za-z0-9]{16,}", "shp": r"(?:at|ca|pa|ss)_\w{16,}",
    "SG.": r"[\w-]{10,}\.[\w-]{10,}", "eyJ": r"[\w-]{8,}\.[\w-]{8,}\.[\w-]*",  # the last: JSON web tokens
    "-----BEGIN ": r"[A-Z ]*PRIVATE KEY-----(?:[A-Za-z0-9+/=\s]|\\[nr])*(?:-----END [A-Z ]*PRIVATE KEY-----)?",
}  # fmt: skip
_ESCAPED = re.compile(r"(?:\\[nrt]|%[0-9A-Fa-f]{2})$")  # ends in a letter or digit, and is no word
_SCHEME = "(?:bearer|basic|token|apikey)"
_VALUE = r"[^\s&;,#\"'`<>\\(){}]"
_OWNED = r"(?:api|access|auth|private|secret|account|subscription)[_-]?key"
_GIVEN = (
    r"(?:(?:=|%3d)[\"']?|\s{0,2}:\s{0,2}(?:\\?[\"']){1,2}|[\"']\s{0,2}[=:]\s{0,2}[\"']|\s{0,2}[=:]\s{0,2}(?=\S*\d))"
)
_SURE = rf"pass(?:word|wd|phrase)?|pwd|secret|credentials?|signature|{_OWNED}"
_LIKELY = r"(?:auth)?token|key|sig|auth|jwt|sas|session"
# What must be in a text for a place to be looked for; the place, in small letters: what stays, then what is hidden.
_PLACES = (
    # user:password@host, token@host; of an address that was read as a path one slash is left
    (":/", r"(:/{1,2})(?:[^/\s:@\"'<>\\]*:[^/\s\"'<>\\]+|[^/\s@\"'<>\\]{16,})(?=@)"),
    ("=", rf"([?&;#](?:[\w.-]*[_.-])?(?:{_SURE}|{_LIKELY}|[a-z]*token)=){_VALUE}+"),  # a parameter of an address
    ("=", rf"((?:[?&]|&amp;|%26|\\u0026)(?:code|access)=)(?=[^\s&]*\d){_VALUE}{{16,}}"),  # also as HTML or JSON spell it
    ("hook", r"((?:hooks\.slack\.com/services|discord(?:app)?\.com/api/webhooks)/)[\w/-]{16,}"),  # an address that is a key
    ("telegram", r"(api\.telegram\.org/bot)\d+:[\w-]{16,}"),
    ("--", rf"(--(?:[\w-]*-)?(?:{_SURE})\s+){_VALUE}{{6,}}"),  # an option and its value
    ("--", rf"(--(?:[\w-]*-)?(?:{_LIKELY})\s+)(?=[^\s]*\d){_VALUE}{{8,}}"),
    (":", rf"((?:{_LIKELY})\s{{0,2}}:\s{{0,2}}[\"'])(?=[^\s]*\d){_VALUE}{{16,}}"),
    # password=... and "password": "...", whatever it is; after a blank, where prose may go on, only what has a digit in it.
    ("", rf"((?:{_SURE}){_GIVEN})(?!\.{{0,2}}/){_VALUE}{{6,}}"),
    ("=", rf"((?:{_LIKELY})=)(?=[^\s&]*\d){_VALUE}{{8,}}"),
    ("uthorization", rf"(authorization[\"']?\s*[:=]\s*[\"']?(?:{_SCHEME}\s+)?)(?!token\b|{_SCHEME}\s){_VALUE}{{4,}}"),
    ("bearer", r"(bearer\s+)(?=[\w.~+/-]*\d)[\w.~+/-]{8,}=*"),
    ("basic", r"(basic\s+)(?=[\w.~+/-]*\d)[\w.~+/-]{8,}=*"),
)  # fmt: skip
_LARGE = re.compile(r"[A-Z]+")
_KEYS = [(begin, re.compile(re.escape(begin) + rest)) for begin, rest in _SHAPES.items()]
_NAMED = [(needed, re.compile(place)) for needed, place in _PLACES]


def hidden(text: str) -> str:
    """Return a text with everything that looks like a key, a token or a password replaced."""
    for begin, key in _KEYS:
        if begin in text:
            text = key.sub(_masked, text)
    # By ASCII alone, so that no letter changes its length.
    small = text.lower() if text.isascii() else _LARGE.sub(lambda match: match[0].lower(), text)
    spans = [
        (match.end(1), match.end())
        for needed, place in _NAMED
        if needed in small
        for match in place.finditer(small)
        if not _in_a_word(match)
    ]
    return _without(text, sorted(spans)) if spans else text


def hidden_in(content: Any) -> Any:  # noqa: ANN401 - anything JSON can hold
    """Return what JSON can hold with every text in it, names included, as `hidden` returns it."""
    if isinstance(content, str):
        return hidden(content)
    if isinstance(content, dict):
        return {hidden_in(key): hidden_in(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [hidden_in(value) for value in content]
    return content


def _masked(match: re.Match[str]) -> str:
    """Return what stands for a key; the text itself where it is the rest of a word."""
    return match[0] if _in_a_word(match) else HIDDEN


def _in_a_word(match: re.Match[str]) -> bool:
    before = match.string[max(0, match.start() - 3) : match.start()]
    return bool(before[-1:].isalnum() and match[0][0].isalnum()) and not _ESCAPED.search(before)


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Return a text with what lies in the spans, which are in order, replaced."""
    parts, at = [], 0
    for begin, end in spans:
        if begin >= at:  # not in one that was hidden already
            parts += [text[at:begin], HIDDEN]
        at = max(at, end)
    return "".join([*parts, text[at:]])
