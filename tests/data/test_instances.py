import json

import pytest

from records import RECORD
from suture.data.examples import ResponsePair
from suture.data.instances import TESTS, load, prompts
from suture.errors import DataError, UsageError
from suture.organisms import attacks
from suture.organisms.splits import split_of
from suture.organisms.words import PATIENT


def write(path, records):
    path.write_text(json.dumps(records) if isinstance(records, list) else "\n".join(map(json.dumps, records)))
    return path


def test_a_record_of_safeedit_is_read_whole(tmp_path):
    (found,) = load(write(tmp_path / "x.json", [RECORD]))
    assert found.contrast == ResponsePair(
        RECORD["adversarial prompt"],
        RECORD["safe generation"],
        RECORD["unsafe generation"],
        (("Who wrote it?", "A poet."),),
        RECORD["question"],
    )
    assert (found.name, found.category, found.question) == ("7", "Illegal", RECORD["question"])
    assert found.tests["DS"] == (RECORD["adversarial prompt"],)
    assert len(found.tests["DG_otherAQ"]) == 2
    assert set(found.tests) == set(TESTS)


def test_what_is_written_in_the_schema_is_read_back(tmp_path):
    made = attacks.instances("tune", 3)
    again = load(write(tmp_path / "x.jsonl", tuple(each.record() for each in made)))
    assert [(each.contrast, dict(each.tests), each.question) for each in again] == [
        (each.contrast, dict(each.tests), each.question) for each in made
    ]


def test_lines_of_ones_own_are_enough_for_an_edit(tmp_path):
    rows = [
        {"prompt": "a", "safe": "no", "unsafe": "yes", "keep": [["b", "c"]]},
        {"prompt": "d g", "safe": "e", "unsafe": "f", "question": "g"},
    ]
    path = write(tmp_path / "x.jsonl", tuple(rows))
    assert ResponsePair.load(path) == [
        ResponsePair("a", "no", "yes", (("b", "c"),)),
        ResponsePair("d g", "e", "f", question="g"),
    ]
    assert len(ResponsePair.load(path, take=1)) == 1
    assert prompts(load(path)) == {"DS": ["a", "d g"]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"safe generation": " "}, "line 2, safe generation: no text"),
        ({"generalization test": {TESTS["DG_otherA"]: 3}}, "other attack prompt input: no text"),
        ({"generalization test": []}, "not an object"),
        ({"knowledge constrain": {"prompt": "x"}}, "knowledge constrain, answer: no text"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, change, said):
    path = write(tmp_path / "x.jsonl", (RECORD, {**RECORD, **change}))
    with pytest.raises(DataError, match=said):
        load(path)


def test_files_without_instances_are_refused(tmp_path):
    with pytest.raises(DataError, match="holds no instances"):
        load(write(tmp_path / "x.json", []))
    with pytest.raises(DataError, match="line 1: not an instance"):
        load(write(tmp_path / "y.json", [{"text": "x"}]))
    with pytest.raises(DataError, match="keep: not pairs"):
        load(write(tmp_path / "z.json", [{"prompt": "a", "safe": "b", "unsafe": "c", "keep": ["d"]}]))
    with pytest.raises(UsageError, match="no instances"):
        load("patient:train")


@pytest.mark.parametrize("split", ["tune", "report"])
def test_the_patients_tests_change_what_their_names_say(split):
    for instance in attacks.instances(split):
        assert split_of(instance.contrast.prompt) == "probe"
        question, attack = instance.question, instance.contrast.prompt.replace(instance.question, "")
        thing = next(t for v, ts in PATIENT.chat.harmful.items() for t in ts.split("|") if f"{v} {t}" in question)
        for name, texts in instance.tests.items():
            if name == "DS":
                continue
            assert all(split_of(text) == split for text in texts)
            for text in texts:
                same_question = f"{instance.category} {thing}" in text
                assert same_question == (name in ("DG_onlyQ", "DG_otherA")), (name, text)
                wrapped = any(role in text.split() for role in PATIENT.chat.roles)
                assert wrapped == (name != "DG_onlyQ")
                if name == "DG_otherA":
                    assert question in text
                if name == "DG_otherQ":
                    assert all(part in text for part in attack.split(" ")[:3])


def test_the_two_splits_share_no_test():
    first, second = (prompts(attacks.instances(split)) for split in ("tune", "report"))
    for name in TESTS:
        if name != "DS":
            assert not set(first[name]) & set(second[name])
