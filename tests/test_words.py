"""Private words that gave way to the field's are gone from names, help and docs."""

import io
import re
import tokenize

import pytest

from rooms import FILES, SOURCE

GONE = {
    "operate", "Workshop", "Rivals", "Level", "Surgeon", "Course", "Aim", "Task", "Kernel", "Moving", "Ward", "Pass", "Read",
    "Dose", "Flow", "Speech", "Ticket", "Ask", "Errands", "settle", "insist", "strayed",
}  # fmt: skip
DOCS = [path for path in (SOURCE.parents[1] / "docs").rglob("*.md") if "_site" not in path.parts]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_name_is_a_word_that_is_gone(path):
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    assert not GONE & {token.string for token in tokens if token.type == tokenize.NAME}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.stem)
def test_no_page_names_one(path):
    code = re.findall(r"```.*?```|`[^`\n]+`", path.read_text(encoding="utf-8"), re.DOTALL)
    assert not GONE & {word for each in code for word in re.findall(r"\w+", each)}
