"""The changelog begins with the version that pyproject names; what is released has a date, what is not has none."""

import re
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEADINGS = re.findall(r"^## (\S+)(?: \((.*)\))?$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
(VERSION,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_first_section_is_of_this_version():
    assert HEADINGS[0][0] == re.sub(r"\.dev\d+$", ".dev", VERSION)


def test_released_versions_have_dates_in_order():
    dated = [(name, when) for name, when in HEADINGS if not name.endswith(".dev")]
    assert all(not when for name, when in HEADINGS if name.endswith(".dev"))
    days = [date.fromisoformat(when) for _, when in dated]
    assert days == sorted(days, reverse=True)
    assert len({name for name, _ in HEADINGS}) == len(HEADINGS)
