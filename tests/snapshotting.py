"""Text compared with a committed file: a difference is shown line by line, and accepted by one command."""

import difflib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "snapshots"
ACCEPT = "python -m pytest tests/test_snapshots.py tests/cli/test_json.py --snapshot-update"


def compare(name: str, text: str, *, update: bool) -> None:
    """Fail with a readable difference unless `snapshots/NAME` holds `text`; with `update`, write it."""
    path, text = FOLDER / name, text.rstrip("\n") + "\n"
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return
    old = path.read_text(encoding="utf-8") if path.is_file() else ""
    if old == text:
        return
    lines = difflib.unified_diff(old.splitlines(), text.splitlines(), f"committed {name}", "now", lineterm="", n=2)
    pytest.fail(
        f"what suture offers has changed:\n\n{chr(10).join(lines)}\n\n"
        f"If that is meant, say it in CHANGELOG.md and accept it: {ACCEPT}",
        pytrace=False,
    )
