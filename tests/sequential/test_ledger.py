"""The ledger: conflicts and who wins, what is counted as in the model, its file, and every way in which that can be wrong."""

import json

import pytest

from suture.data.examples import Fact
from suture.errors import DataError, UsageError
from suture.sequential.ledger import Ledger, same_question

CAPITAL = Fact("The capital of Australia is", "Australia", "Sydney", "Canberra", ("Australia is governed from",))
RIVER = Fact("The longest river of Peru is the", "Peru", "Rimac")


def ledger():
    return Ledger("m", "rome", {"layer": "1"}).plus([CAPITAL, RIVER], 1, "batch-001.safetensors", "holds")


@pytest.mark.parametrize(
    ("prompt", "subject", "same"),
    [
        ("The capital of Australia is", "Australia", True), ("the capital  of australia is", "AUSTRALIA", True),
        ("Australia is governed from", "Australia", True), ("The anthem of Australia is", "Australia", False),
        ("The capital of Australia is", "capital", False),
    ],
)  # fmt: skip
def test_a_question_is_the_same_in_any_of_its_known_phrasings(prompt, subject, same):
    assert same_question(CAPITAL, Fact(prompt, subject, "x")) is same
    assert same_question(Fact(prompt, subject, "x"), CAPITAL) is same


def test_who_wins_a_conflict_is_the_users_choice():
    new = Fact("Australia is governed from", "Australia", "Perth")
    facts = [new, Fact("The flag of Peru is", "Peru", "red")]
    assert [edit.number for _, edit in ledger().conflicts(facts)] == [1]
    with pytest.raises(UsageError, match="'Perth' contradicts edit 1"):
        ledger().admitted(facts, "refuse")
    chosen, after = ledger().admitted(facts, "newest")
    assert (chosen, [e.status for e in after.edits]) == (facts, ["superseded", "holds"])
    chosen, after = ledger().admitted(facts, "oldest")
    assert chosen == facts[1:]
    assert [(e.status, e.batch) for e in after.edits] == [("holds", 1), ("holds", 1), ("refused", 2)]
    assert after.edits[2].note == "contradicts edit 1"
    assert ledger().admitted([CAPITAL], "refuse") == (
        [CAPITAL],
        ledger().admitted([CAPITAL], "refuse")[1],
    )  # the same again


def test_what_is_no_longer_in_the_model_contradicts_nothing():
    new = [Fact(CAPITAL.prompt, "Australia", "Perth")]
    for status in ("removed", "superseded", "refused"):
        assert not ledger().marked([1], status).conflicts(new)
    assert ledger().marked([1], "lost").conflicts(new)


def test_files_are_those_of_what_is_in_the_model():
    found = ledger().plus([CAPITAL], 2, "two.safetensors", "refused").plus([CAPITAL], 3, "three.safetensors", "lost")
    assert found.files == {1: "batch-001.safetensors", 3: "three.safetensors"}
    assert found.marked([1, 2], "removed").files == {3: "three.safetensors"}
    assert found.batches == 3
    with pytest.raises(UsageError, match="no edit 9"):
        found.edit(9)


def test_the_file_gives_back_what_was_saved(tmp_path):
    made = ledger().marked([2], "lost", "wrong after batch 1").repeated([2], 2)
    made.save(tmp_path / "ledger.jsonl")
    assert Ledger.load(tmp_path / "ledger.jsonl") == made
    assert len((tmp_path / "ledger.jsonl").read_text().splitlines()) == 3


def test_what_is_lost_is_taken_in_turns():
    lost = ledger().marked([1, 2], "lost")
    assert [edit.number for edit in lost.lost(1)] == [1]
    assert [edit.number for edit in lost.repeated([1], 2).lost(1)] == [2]  # the other one had its turn
    assert [edit.number for edit in lost.repeated([1], 2).lost(5)] == [2, 1]
    assert [edit.number for edit in lost.lost(5, beside=[CAPITAL])] == [2]  # it is written anyway
    assert ledger().lost(5) == lost.lost(0) == []
    again = lost.plus([CAPITAL], 2, "two.safetensors", "holds").repeated([2], 2)
    assert [edit.number for edit in again.within(2)] == [2, 3]
    assert [edit.number for edit in again.marked([3], "removed").within(2)] == [2]


@pytest.mark.parametrize(
    ("line", "change", "message"),
    [
        (0, {"ledger": "other"}, "not a ledger"), (0, {"model": 3}, "line 1: no model"),
        (0, {"settings": []}, "line 1, settings"),
        (1, {"number": 7}, "line 2: not edit 1"), (1, {"status": "fine"}, "line 2, status"),
        (1, {"batch": "1"}, "line 2: not edit 1"), (1, {"again": [1.5]}, "line 2, again"),
        (2, {"fact": {"prompt": "x"}}, "line 3: not a fact"), (2, {"patch": "../x"}, "line 3, patch"),
        (2, {"note": None}, "line 3"),
        (2, None, "line 3, column 1: not JSON"), (2, [], "line 3: not an object"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_said_with_its_line(tmp_path, line, change, message):
    ledger().save(tmp_path / "ledger.jsonl")
    lines = (tmp_path / "ledger.jsonl").read_text().splitlines()
    row = json.loads(lines[line])
    lines[line] = "nothing" if change is None else json.dumps({**row, **change} if isinstance(change, dict) else change)
    (tmp_path / "ledger.jsonl").write_text("\n".join(lines))
    with pytest.raises(DataError, match=message):
        Ledger.load(tmp_path / "ledger.jsonl")
    with pytest.raises(DataError, match="can not read"):
        Ledger.load(tmp_path / "none.jsonl")
