"""Turns as other programs write them: Gemini's parts, histories, lists printed into the cells of tables."""

import csv
import json

import pytest

from suture.data.conversation import messages_of
from suture.data.examples import Behaviour, Texts
from suture.data.lessons import Instruction
from suture.data.turns import speaker, turns_of, unpacked
from suture.errors import DataError

CHAT = [{"role": "user", "content": "Who's there?"}, {"role": "assistant", "content": 'I am "Sam".\nReally.'}]


def write(folder, *rows, name="rows.jsonl"):
    (folder / name).write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return folder / name


def table(folder, **cells):
    with (folder / "rows.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(cells)
        writer.writerow(cells.values())
    return folder / "rows.csv"


def gemini(*turns):
    return [{"role": role, "parts": [{"text": text}]} for role, text in turns]


def spoken(lesson):
    return [*((m["role"], m["content"]) for m in messages_of(lesson.prompt)), ("assistant", lesson.answer)]


ASK, SAY = ("user", "Who?"), ("assistant", "Sam.")
ROWS = {  # a row -> what is asked, and answered
    "gemini": ({"contents": gemini(("user", "Who?"), ("model", "Sam."))}, [ASK, SAY]),
    "gemini with a system text": (
        {"systemInstruction": {"parts": [{"text": "Be kind."}]}, "contents": gemini(("user", "Who?"), ("model", "Sam."))},
        [("system", "Be kind."), ASK, SAY],
    ),
    "gemini without a role": ({"contents": [{"parts": [{"text": "Who?"}]}, *gemini(("model", "Sam."))]}, [ASK, SAY]),
    "a system prompt": (
        {"system_prompt": "Be kind.", "question": "Who?", "response": "Sam."}, [("system", "Be kind."), ASK, SAY],
    ),
    "a history": (
        {"instruction": "Who?", "output": "Sam.", "history": [["Hello", "Hi."]], "system": "Be kind."},
        [("system", "Be kind."), ("user", "Hello"), ("assistant", "Hi."), ASK, SAY],
    ),
    "an empty history": ({"instruction": "Who?", "output": "Sam.", "history": []}, [ASK, SAY]),
    "a history of messages": (
        {"instruction": "Who?", "output": "Sam.", "history": [{"role": "user", "content": "Hello"},
                                                               {"role": "assistant", "content": "Hi."}]},
        [("user", "Hello"), ("assistant", "Hi."), ASK, SAY],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("row", "turns"), ROWS.values(), ids=ROWS)
def test_turns_are_lessons_and_prompts(tmp_path, caplog, row, turns):
    path = write(tmp_path, row)
    assert spoken(Instruction.load(path)[-1]) == turns
    (prompt,) = Texts.load(path)
    assert [(m["role"], m["content"]) for m in messages_of(prompt)] == turns[:-1]
    assert not caplog.text


def test_gemini_is_labelled_by_its_answer(tmp_path):
    rows = [{"contents": gemini(("user", "Who?"), ("model", f"Sam {i}.")), "label": i % 2} for i in range(4)]
    first = Behaviour.load(write(tmp_path, *rows)).examples[0]
    assert (first.text, first.prompt) == ("Sam 0.", "Who?")


PRINTED = {  # how a list stands in a cell
    "json": json.dumps(CHAT),
    "python": repr(CHAT),
    "numpy": f"[{CHAT[0]!r}\n {CHAT[1]!r}]",
}


@pytest.mark.parametrize("cell", PRINTED.values(), ids=PRINTED)
@pytest.mark.parametrize("column", ["messages", "conversations"])
def test_chats_in_cells(tmp_path, cell, column):
    path = table(tmp_path, id="1", **{column: cell})
    assert Instruction.load(path) == [Instruction("Who's there?", 'I am "Sam".\nReally.')]
    assert Texts.load(path) == ("Who's there?",)


@pytest.mark.parametrize("cell", PRINTED.values(), ids=PRINTED)
def test_pairs_in_cells(tmp_path, cell):
    away = [CHAT[0], {"role": "assistant", "content": "Go away."}]
    path = table(tmp_path, chosen=cell, rejected=repr(away))
    with path.open("a", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerow([cell, repr(away)])
    examples = Behaviour.load(path).examples
    assert [(e.text, e.label, e.prompt) for e in examples[:2]] == [
        ('I am "Sam".\nReally.', 0, "Who's there?"), ("Go away.", 1, "Who's there?"),
    ]  # fmt: skip


@pytest.mark.parametrize("cell", ["[INST] Who? [/INST]", "[{not a list", "{'a': open('x')}", "[1, 2]", "[" * 5000])
def test_texts_that_begin_as_lists_stay_texts(tmp_path, cell):
    assert unpacked({"prompt": cell}) == {"prompt": cell}
    assert Texts.load(write(tmp_path, {"prompt": cell})) == (cell,)


@pytest.mark.parametrize("history", [["Hello"], [["Hello"]], [["Hello", None]], [{"a": 1}]])
def test_a_history_of_something_else_is_refused(tmp_path, history):
    with pytest.raises(DataError, match="line 1, history: "):
        Instruction.load(write(tmp_path, {"instruction": "Who?", "output": "Sam.", "history": history}))


def test_a_part_that_is_no_text_is_named():
    with pytest.raises(DataError, match=r"message 1: a part that is no text\nIt is 'functionCall'"):
        turns_of([{"role": "model", "parts": [{"functionCall": {"name": "f"}}]}], "x")
    assert (speaker({"parts": []}), speaker({"role": "MODEL"}), speaker({"role": 3}), speaker({})) == (
        "user",
        "assistant",
        "",
        "",
    )
