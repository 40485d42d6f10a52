"""Reference texts by object: their files, and the facts that get them."""

import json

import pytest

from suture.data.examples import Fact
from suture.data.references import References
from suture.errors import DataError
from suture.measure.suites.facts import fact_suite

REWRITE = {
    "requested_rewrite": {
        "prompt": "{} is in",
        "subject": "Anaal Nathrakh",
        "relation_id": "P740",
        "target_new": {"str": "Rome", "id": "Q220"},
        "target_true": {"str": "Birmingham", "id": "Q2256"},
    },
    "generation_prompts": ["Anaal Nathrakh was founded", "The home of Anaal Nathrakh"],
}


def written(tmp_path, name, *rows):
    file = tmp_path / name
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def test_snippets_of_counterfact_are_found_by_their_ids(tmp_path):
    facts = written(tmp_path, "facts.json", REWRITE)
    other = {"relation_id": "P36", "target_id": "Q220", "samples": [{"name": "Italy", "text": "not this one"}]}
    own = {"relation_id": "P740", "target_id": "Q220", "samples": [{"name": "A.S.", "text": "A club of Rome."}]}
    (fact,) = Fact.load(facts, references=written(tmp_path, "snippets.json", other, own))
    assert fact.references == ("A club of Rome.",)
    assert fact.openings == tuple(REWRITE["generation_prompts"])


def test_own_lines_are_found_by_the_words_of_the_object(tmp_path):
    line = {"prompt": "The capital of Velmora is", "target": " Rome", "openings": ["Velmora"], "references": ["First."]}
    texts = written(tmp_path, "t.jsonl", {"target": "rome", "texts": ["a"]}, {"target": "Rome", "texts": ["b"]})
    (fact,) = Fact.load(written(tmp_path, "facts.jsonl", line), references=texts)
    assert fact.references == ("First.", "a", "b")
    (bare,) = Fact.load(written(tmp_path, "facts.jsonl", line))
    assert bare.references == ("First.",)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"target": "Rome"}, "texts: not a list"),
        ({"target": "Rome", "texts": [3]}, "3 is not a text"),
        ({"relation_id": "P1", "target_id": "Q1", "samples": [{"name": "x"}]}, "is not a text"),
        ({"object": "Rome"}, "no texts about an object"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, record, message):
    with pytest.raises(DataError, match="line 1") as caught:
        References.load(written(tmp_path, "t.jsonl", record))
    assert message in str(caught.value)


def test_an_empty_file_is_said_to_be_empty(tmp_path):
    with pytest.raises(DataError, match="is empty"):
        References.load(written(tmp_path, "t.jsonl"))


def test_free_texts_are_measured_where_their_beginnings_are_told():
    plain = Fact("The capital of Velmora is", "Velmora", "Rome")
    opened = Fact("The capital of Arvand is", "Arvand", "Rome", openings=("Arvand", "In Arvand"))
    told = Fact("The capital of Selt is", "Selt", "Rome", openings=("Selt",), references=("Rome is old.",))
    names = {measure.name for measure in fact_suite([plain])}
    assert not names & {"consistency", "fluency_facts"}
    found = {measure.name: measure.cases for measure in fact_suite([plain, opened, told])}
    assert found["fluency_facts"].prompts == ["Arvand", "In Arvand", "Selt"]
    assert found["consistency"].prompts == ["Selt"]
    assert found["consistency"].owners == [0]
