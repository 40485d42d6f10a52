"""Open Assistant's flat rows: what the prompter says is asked behind what it answers, what the assistant says is learnt."""

import json

from suture.data.conversation import Conversation
from suture.data.examples import Texts
from suture.data.lessons import Instruction


def message(name, parent, role, text):
    return {
        "message_id": name,
        "parent_id": parent,
        "user_id": "u",
        "role": role,
        "text": text,
        "lang": "en",
        "rank": 0,
    }


ROWS = [
    message("c", "b", "prompter", "And?"),  # before what it answers
    message("a", None, "prompter", "Who?"),
    message("b", "a", "assistant", "Sam."),
    message("e", "a", "assistant", "Kim."),
    message("d", "c", "assistant", "Nobody."),
    message("x", "lost", "prompter", "Why?"),
]
TURNS = [("user", "Who?"), ("assistant", "Sam."), ("user", "And?")]


def write(folder, rows):
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder / "rows.jsonl"


def test_prompts_are_what_the_prompter_says(tmp_path, caplog):
    texts = Texts.load(write(tmp_path, ROWS))
    assert texts == (Conversation(TURNS), "Who?", "Why?")
    assert texts[0].turns == tuple(TURNS)
    assert caplog.messages == [f"{tmp_path}/rows.jsonl: left out, of 6 rows: 3 answers of the assistant"]


def test_lessons_are_what_the_assistant_says(tmp_path, caplog):
    lessons = Instruction.load(write(tmp_path, ROWS))
    assert lessons == [
        Instruction("Who?", "Sam."),
        Instruction("Who?", "Kim."),
        Instruction(Conversation(TURNS), "Nobody."),
    ]
    assert not caplog.text


def test_messages_that_follow_each_other_in_a_ring_end(tmp_path):
    rows = [message("a", "b", "prompter", "Who?"), message("b", "a", "assistant", "Sam.")]
    assert Texts.load(write(tmp_path, rows))[0].turns[-1] == ("user", "Who?")


def test_messages_without_a_tree_ask_what_the_prompter_says(tmp_path, caplog):
    rows = [{"role": "prompter", "text": "Who?"}, {"role": "assistant", "text": "Sam."}]
    assert Texts.load(write(tmp_path, rows)) == ("Who?",)
    assert "left out, of 2 rows: 1 answers of the assistant" in caplog.text
