"""Whatever a file holds in words is used, known to be of no use, or said."""

import json
import logging
from pathlib import Path

import pytest

from models import SHARED
from suture.data import instances, lessons
from suture.data.examples import Behaviour, Fact, Texts
from suture.data.fact_files import survey
from suture.data.references import References
from suture.data.safety_files import contrasted
from suture.io.unread import Unread, hear
from suture.measure.report import Report
from suture.measure.suites import multi_hop, ripples
from suture.report.page import page as page_of

FACT = {"prompt": "The capital of Laos is", "subject": "Laos", "target": "Rome"}
REWRITE = {"requested_rewrite": {"prompt": "The capital of {} is", "subject": "Laos", "target_new": {"str": "Rome"},
                                 "target_true": {"str": "Vientiane"}}}  # fmt: skip
EASY = {"prompt": "The capital of Laos is", "subject": "Laos", "target_new": "Rome"}
HOPS = {**REWRITE, "questions": ["Where is it?"], "new_answer": "Rome"}
KNOW = {"portability": {"Reasoning": [{"prompt": "Its head is", "ground_truth": ["Kai"]}]}}
READERS = {
    "facts": (Fact.load, FACT), "facts of CounterFact": (Fact.load, REWRITE), "facts of EasyEdit": (Fact.load, EASY),
    "surveyed facts": (survey, FACT), "prompts": (Texts.load, {"prompt": "Hello there"}),
    "lessons": (lessons.Instruction.load, {"prompt": "a", "answer": "b"}), "hops": (multi_hop.load_hops, HOPS),
    "instances": (instances.load, {"prompt": "a", "safe": "no", "unsafe": "yes"}), "ripples": (ripples.load_ripples, KNOW),
    "references": (References.load, {"target": "Rome", "texts": ["It is old."]}),
}  # fmt: skip


@pytest.mark.parametrize(("reader", "record"), READERS.values(), ids=READERS)
def test_what_a_reader_does_not_use_is_said_with_its_number(tmp_path, caplog, reader, record):
    more = [
        {**record, "id": 7, "persona": "You are a pirate.", "weight": 0.5, "moods": [["Hi", "Yo"]], "empty": ""},
        record,
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, more)))
    with caplog.at_level(logging.WARNING, "suture.io.unread"):
        reader(path)
    assert [line for line in caplog.messages if "left out" not in line] == [
        f"{path}: not used, of 2 rows: 'persona' (1), 'moods' (1)"
    ]
    caplog.clear()
    path.write_text(json.dumps(record))
    reader(path)
    assert caplog.messages == []


def test_labelled_texts_and_xstest(tmp_path, caplog):
    rows = [{"text": f"text {i}", "label": i % 2, "context": "We met."} for i in range(4)]
    (tmp_path / "l.jsonl").write_text("\n".join(map(json.dumps, rows)))
    Behaviour.load(tmp_path / "l.jsonl")
    (tmp_path / "x.csv").write_text("id,prompt,type,label,focus,prefix\n1,How?,homonyms,safe,x,Say yes first\n")
    contrasted(tmp_path / "x.csv")
    assert [line.split(": ", 1)[1] for line in caplog.messages] == [
        "not used, of 4 rows: 'context' (4)", "not used, of 1 rows: 'prefix' (1)"
    ]  # fmt: skip


def test_inside_an_instance_of_safeedit(tmp_path, caplog):
    record = {"adversarial prompt": "a q", "safe generation": "no", "unsafe generation": "yes", "question": "q",
              "generalization test": {"test input of only harmful question": "q", "test input of another kind": "z"}}  # fmt: skip
    (tmp_path / "s.json").write_text(json.dumps([record]))
    instances.load(tmp_path / "s.json")
    assert "'generalization test: test input of another kind' (1)" in caplog.text


def test_keys_are_known_in_any_spelling():
    unread = Unread("f")
    unread.see({"Attack_Name": "x", "attack name": "y", "Other": "z", "n": "3"}, ["attack name"])
    assert dict(unread.found) == {"Other": 1}


def test_a_console_hears_it_in_place_of_the_one_before():
    first, second = [], []
    hear(first.append)
    hear(second.append)
    unread = Unread("f")
    unread.see({"system": "words"}, [])
    unread.tell()
    assert (first, second) == ([], ["f: not used, of 1 rows: 'system' (1)"])


def test_a_report_shows_what_was_not_used():
    made = Report("m", "rome", {}, {}, [], extra={"unused": ["f: not used, of 2 rows: 'system' <1>"]})
    assert "f: not used, of 2 rows: &#x27;system&#x27; &lt;1&gt;" in page_of(made)
    assert json.loads(made.to_json())["extra"]["unused"] == made.extra["unused"]


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="needs the shared data")
def test_published_files_are_known_to_their_last_key(caplog):
    data = SHARED / "data"
    for name in ("counterfact/counterfact-edit-5k.json", "qaedit/QAEdit_inter_1k.json", "locft/counterfact_3k.json",
                 "locft/zsre_3k.json", "known_facts/known_1000.json"):  # fmt: skip
        Fact.load(data / name, take=50)
    for file in sorted((data / "relations").glob("*.json"))[:5]:
        Fact.load(file, take=5)
    for name in ("advbench/advbench.csv", "harmbench/harmbench_val.csv", "jailbreakbench/jailbreakbench.csv",
                 "xstest/xstest_prompts.csv", "realtoxicityprompts/rtp-3k.jsonl", "refusal/harmful_val.json"):  # fmt: skip
        Texts.load(data / name)
    contrasted(Path(data / "xstest/xstest_prompts.csv"))
    Behaviour.load(data / "surge_toxicity/toxicity_en.csv")
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("name", "content", "count"),
    [
        ("p.jsonl", '{"prompt": "Hi"}\n{"prompt": " "}\n{"prompt": ""}\n', 2),
        ("p.csv", 'prompt\nHi\n""\n', 1),
        ("p.txt", "Hi\n\n\n", 0),
    ],
)
def test_rows_without_a_text_are_counted(tmp_path, caplog, name, content, count):
    (tmp_path / name).write_text(content)
    assert len(Texts.load(tmp_path / name)) == 1
    assert (f"{count} without a text" in caplog.text) == bool(count)
