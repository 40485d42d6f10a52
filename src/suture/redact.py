"""Secrets do not reach a file: what looks like a key is hidden wherever a run is recorded."""

from __future__ import annotations

import re

HIDDEN = "[hidden]"
_KEYS = (
    r"hf_[A-Za-z0-9]{16,}", r"api_org_[A-Za-z0-9]{16,}",  # Hugging Face
    r"sk-[A-Za-z0-9_-]{16,}", r"r8_[A-Za-z0-9]{16,}", r"gsk_[A-Za-z0-9]{16,}", r"xai-[A-Za-z0-9]{16,}",  # endpoints of models
    r"gh[pousr]_[A-Za-z0-9]{16,}", r"github_pat_\w{16,}", r"glpat-[\w-]{16,}", r"npm_[A-Za-z0-9]{16,}", r"pypi-[\w-]{16,}",
    r"(?:AKIA|ASIA)[A-Z0-9]{12,}", r"AIza[\w-]{20,}", r"ya29\.[\w-]{16,}",  # clouds
    r"xox[abprs]-[A-Za-z0-9-]{10,}", r"[sr]k_live_[A-Za-z0-9]{10,}", r"SG\.[\w-]{10,}\.[\w-]{10,}",
    r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*",  # JSON web tokens
    r"(?<=[Bb]earer )[\w.~+/-]{8,}=*",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?",
    r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)",  # user:password@host
    r"(?i:(?<=key=)|(?<=token=)|(?<=password=)|(?<=secret=))[^\s&\"']{6,}",
)  # fmt: skip
_SECRET = re.compile("|".join(_KEYS))


def hidden(text: str) -> str:
    """Return a text with everything that looks like a key, a token or a password replaced."""
    return _SECRET.sub(HIDDEN, text)
