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
    '{"prompt": "a", "answer": ""}',
]


@pytest.mark.parametrize("row", ROWS)
def test_every_usual_form_is_read(tmp_path, row):
    (tmp_path / "a.jsonl").write_text(row + "\n")
    (tmp_path / "a.json").write_text(f"[{row}]")
    assert Instruction.load(tmp_path / "a.jsonl") == Instruction.load(tmp_path / "a.json") == [ROWS[row]]


@pytest.mark.parametrize("row", BAD)
def test_what_is_no_lesson_is_left_out_and_named_with_its_line(tmp_path, caplog, row):
    (tmp_path / "a.jsonl").write_text('{"prompt": "a", "answer": "b"}\n' + row + "\n")
    assert Instruction.load(tmp_path / "a.jsonl") == [Instruction("a", "b")]
    assert f"left out: {tmp_path}/a.jsonl, line 2" in caplog.text
    assert "left out, of 2 rows: 1 that can not be used" in caplog.text


def test_mistakes_that_are_alike_are_told_once_and_refused_where_nothing_is_left(tmp_path, caplog):
    tool = json.dumps({"messages": [{"role": "tool", "content": "x"}]})
    (tmp_path / "a.jsonl").write_text("\n".join([tool, tool, '{"prompt": "a", "answer": "b"}', tool]))
    assert len(Instruction.load(tmp_path / "a.jsonl")) == 1
    assert "message 1: the role 'tool' is not known" in caplog.messages[0]
    assert caplog.messages[0].endswith("So are 2 more: line 2, line 4.")
    (tmp_path / "a.jsonl").write_text(f"{tool}\n{tool}")
    with pytest.raises(
        DataError, match="line 1, messages, message 1: the role 'tool' is not known; 1 more can not be used"
    ):
        Instruction.load(tmp_path / "a.jsonl")


def test_what_is_no_json_is_refused_with_its_line(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"prompt": "a", "answer": "b"}\n{"prompt": "a", "answer": "b"\n')
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
