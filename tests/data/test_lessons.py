import json

import pytest

from suture.data.lessons import Instruction, summary
from suture.errors import DataError

ROWS = {
    '{"prompt": "a", "answer": "b"}': Instruction("a", "b"),
    '{"question": "a", "response": "b"}': Instruction("a", "b"),
    '{"instruction": "a", "input": "c", "output": "b"}': Instruction("a\nc", "b"),
    '{"instruction": "a", "input": "", "output": "b"}': Instruction("a", "b"),
    '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}': Instruction("a", "b"),
}
BAD = [
    '{"prompt": "a"}',
    '{"prompt": "a", "answer": 3}',
    '{"prompt": "  ", "answer": "b"}',
    '{"messages": [{"role": "user", "content": "a"}]}',
    '{"messages": 3}',
    '{"prompt": "a", "answer": "b"',
]


@pytest.mark.parametrize("row", ROWS)
def test_every_usual_form_is_read(tmp_path, row):
    (tmp_path / "a.jsonl").write_text(row + "\n")
    (tmp_path / "a.json").write_text(f"[{row}]")
    assert Instruction.load(tmp_path / "a.jsonl") == Instruction.load(tmp_path / "a.json") == [ROWS[row]]


@pytest.mark.parametrize("row", BAD)
def test_what_is_no_lesson_is_named_with_its_line(tmp_path, row):
    (tmp_path / "a.jsonl").write_text('{"prompt": "a", "answer": "b"}\n' + row + "\n")
    with pytest.raises(DataError, match="line 2"):
        Instruction.load(tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    ("name", "text"), [("a.jsonl", ""), ("a.csv", "x"), ("none.jsonl", None), ("a.json", "{}"), ("a.json", "[3]")]
)
def test_what_is_no_file_of_lessons_is_refused(tmp_path, name, text):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError):
        Instruction.load(tmp_path / name)


def test_a_summary_tells_lessons_apart():
    one, two = [Instruction("a", "b")], [Instruction("a", "c")]
    assert summary(one)["count"] == 1
    assert summary(one)["sha256"] != summary(two)["sha256"]
    assert json.dumps(summary(one))
