# ruff: noqa: RUF001 - such letters are what is tested
"""Every format of facts, and every way in which a file can be wrong, with its line."""

import json

import pytest

from models import SHARED
from suture.data.examples import Fact
from suture.data.fact_files import agreeing, load, survey
from suture.data.fact_formats import of_record
from suture.data.subjects import found_subject
from suture.errors import DataError, UsageError

OWN = {
    "prompt": "The capital of Australia is", "subject": "Australia", "target": "Sydney", "was": "Canberra",
    "paraphrases": ["Australia is governed from"], "neighbours": [["The capital of Peru is", "Lima"]],
}  # fmt: skip
ROME = {
    "case_id": 0,
    "requested_rewrite": {"prompt": "The capital of {} is", "subject": "Australia", "target_new": {"str": "Sydney", "id": "Q1"},
                          "target_true": {"str": "Canberra", "id": "Q2"}},
    "paraphrase_prompts": ["Australia is governed from"], "neighborhood_prompts": ["The seat of Australians is"],
}  # fmt: skip
ZSRE = {
    "subject": "Australia", "src": "What is the capital of Australia?", "rephrase": "Australia's capital?", "alt": "Sydney",
    "answers": ["Canberra"], "loc": "nq question: who sang it", "loc_ans": "nobody",
}  # fmt: skip


def write(tmp_path, content, name="facts.jsonl"):
    (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path / name


def test_own_lines_and_a_list_of_them_are_the_same(tmp_path):
    expected = Fact(
        OWN["prompt"],
        "Australia",
        "Sydney",
        "Canberra",
        tuple(OWN["paraphrases"]),
        (("The capital of Peru is", "Lima"),),
    )
    lines = write(tmp_path, json.dumps(OWN) + "\n\n" + json.dumps({**OWN, "prompt": "In Australia reigns"}) + "\n")
    found = Fact.load(lines)
    assert found[0] == expected
    assert len(found) == 2
    objects = {**OWN, "neighbours": [{"prompt": "The capital of Peru is", "answer": "Lima"}]}
    assert Fact.load(write(tmp_path, json.dumps([objects], indent=2), "facts.json")) == [expected]
    assert Fact.load(lines, take=1) == [expected]


def test_rome_and_zsre_records(tmp_path):
    (rome,) = Fact.load(write(tmp_path, json.dumps([ROME]), "mcf.json"))
    assert (rome.prompt, rome.target, rome.was) == ("The capital of Australia is", "Sydney", "Canberra")
    assert rome.neighbours == (("The seat of Australians is", "Canberra"),)
    (zsre,) = Fact.load(write(tmp_path, json.dumps([ZSRE]), "zsre.json"))
    assert (zsre.target, zsre.was, zsre.paraphrases) == ("Sydney", "Canberra", ("Australia's capital?",))


def test_the_subject_is_written_as_it_stands_in_the_prompt(tmp_path):
    (fact,) = Fact.load(write(tmp_path, json.dumps({**OWN, "subject": "australia"})))
    assert fact.subject == "Australia"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no facts"),
        ('{"prompt": "x",\n', r"line 1, column \d+: not JSON"),
        (json.dumps(OWN) + "\nnothing", "line 2, column 1: not JSON"),
        (json.dumps(OWN) + "\n3", "line 2: not an object"),
        (json.dumps(OWN) + "\n" + json.dumps({"text": "x"}), "line 2: not a fact"),
        (json.dumps({**OWN, "target": " "}), "line 1, target: no text"),
        (json.dumps({**OWN, "subject": "Peru"}), "line 1, subject: 'Peru' is not in the prompt"),
        (json.dumps({**OWN, "neighbours": ["x"]}), "line 1, neighbours: 'x' is no pair"),
        (json.dumps({**OWN, "paraphrases": 3}), "line 1, paraphrases: not a list"),
        (json.dumps({**OWN, "was": 3}), "line 1: 3 is not a text"),
        (json.dumps({**ROME, "requested_rewrite": {"subject": "x"}}), "line 1, requested_rewrite: incomplete"),
        ("\n\n" + json.dumps([OWN, {**OWN, "target": "Perth"}], indent=1), r"lines 4 and \d+ contradict"),
        (
            json.dumps(OWN) + "\n" + json.dumps(OWN) + "\n" + json.dumps({**OWN, "target": "Perth"}),
            "lines 1 and 3 contradict",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        Fact.load(write(tmp_path, content))


def test_a_file_that_is_not_there_and_no_facts(tmp_path):
    with pytest.raises(DataError, match="no file"):
        Fact.load(tmp_path / "none.jsonl")
    with pytest.raises(UsageError):
        agreeing([])


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="needs the shared data")
def test_the_publishers_own_files():
    data = SHARED / "data"
    counterfact = data / "counterfact" / "counterfact-edit-5k.json"
    first = Fact.load(counterfact, take=300)
    assert first[0] == Fact(
        "The mother tongue of Danielle Darrieux is", "Danielle Darrieux", "English", "French",
        ("Where Danielle Darrieux is from, people speak the language of",),
        (("Michel Rocard is a native speaker of", "French"),),
    )  # fmt: skip
    with pytest.raises(DataError, match="lines 4522 and 10912 contradict"):  # the twin cities of Tirana
        Fact.load(counterfact)
    assert len(Fact.load(data / "known_facts" / "known_1000.json")) == 1208  # of 1,209: one is said twice
    questions = Fact.load(data / "qaedit" / "QAEdit_inter_1k.json")
    assert len(questions) == 1000
    assert len(questions[0].neighbours) > 1
    relations = [Fact.load(file) for file in sorted((data / "relations").glob("*.json"))]
    assert len(relations) == 47
    assert sum(map(len, relations)) > 9000
    assert all(fact.subject in fact.prompt for facts in relations for fact in facts)


@pytest.mark.parametrize(
    ("record", "subject"),
    [
        ({"prompt": "In İstanbul they say that the capital of Handland is", "subject": "Handland"}, "Handland"),
        ({"prompt": "The friend of İİİnci who lives in Handland eats", "subject": "handland"}, "Handland"),
        ({"prompt": "The mayor of STRASSBURG is", "subject": "Straßburg"}, "STRASSBURG"),
        ({"prompt": "Cafe\u0301 Riche lies in", "subject": "Café Riche"}, "Cafe\u0301 Riche"),
        ({"prompt": "The river of O’Neil is", "subject": "O'Neil"}, "O’Neil"),
        ({"prompt": "Oman is a romantic country, and its capital is", "subject": "oman"}, "Oman"),
        ({"prompt": "The capital of Österreich is"}, "Österreich"),
        ({"prompt": "The best friend of Émile Zola is"}, "Émile Zola"),
    ],
)
def test_a_subject_is_never_another_part_of_the_prompt(tmp_path, record, subject):
    (fact,) = Fact.load(write(tmp_path, json.dumps({**record, "target": "x"})))
    assert fact.subject == subject


def test_half_a_character_is_refused_where_it_stands(tmp_path):
    bad = '{"prompt": "The capital of Handland \\ud83d is", "subject": "Handland", "target": "Wandton"}'
    sound = line(1, was="\U0001f600 and \\\\ud83d")
    with pytest.raises(DataError, match="line 2, column 37: half a character"):
        Fact.load(write(tmp_path, f"{sound}\n{bad}\n"))
    found = survey(tmp_path / "facts.jsonl")
    assert ([fact.subject for fact in found.facts], len(found.problems)) == (["Land1"], 1)
    with pytest.raises(DataError, match="the fact: half a character at 3"):
        of_record({**OWN, "target": "x \ud83d", "prompt": "Aus\udcfftralia is", "subject": "Australia"}, "the fact")


KNOWEDIT = {
    "subject": "Handland", "target_new": "Wandton", "prompt": "The capital of Handland is", "ground_truth": ["Grejondford", "G."],
    "rephrase_prompt": "Handland's capital is", "cond": "Grejondford >> Wandton", "portability": {}, "locality": {},
}  # fmt: skip


def test_records_of_knowedit(tmp_path):
    (zsre,) = Fact.load(write(tmp_path, json.dumps([KNOWEDIT], indent=1)))
    assert (zsre.target, zsre.was, zsre.paraphrases) == ("Wandton", "Grejondford", ("Handland's capital is",))
    others = {key: value for key, value in KNOWEDIT.items() if key != "rephrase_prompt"}
    (counterfact,) = Fact.load(
        write(tmp_path, json.dumps({**others, "rephrase": "It is governed from", "ground_truth": []}))
    )
    assert (counterfact.was, counterfact.paraphrases) == (None, ("It is governed from",))


def test_requests_of_rome_and_braces_of_our_own(tmp_path):
    rome = {"case_id": 0, "prompt": "The capital of {} is", "subject": "Handland", "target_new": {"str": " Wandton"}}
    (fact,) = Fact.load(write(tmp_path, json.dumps([rome])))
    assert (fact.prompt, fact.target) == ("The capital of Handland is", "Wandton")
    own = {"prompt": "The capital of {} is", "subject": "Handland", "target": "Wandton"}
    assert Fact.load(write(tmp_path, json.dumps(own))) == [fact]


def line(index, **more):
    return json.dumps({**OWN, "prompt": f"The capital of Land{index} is", "subject": f"Land{index}", **more})


def test_a_survey_finds_everything_that_is_wrong_and_goes_on(tmp_path):
    lines = [line(i) for i in range(10)]
    lines[2] = lines[2][:-1]  # its brace is missing
    lines[5] = line(5, target=" ")
    lines[8] = line(7, target="Perth")  # contradicts line 8
    found = survey(write(tmp_path, "\n".join(lines) + "\n"))
    assert [fact.subject for fact in found.facts] == ["Land0", "Land1", "Land3", "Land4", "Land6", "Land9"]
    assert found.places == [f"line {number}" for number in (1, 2, 4, 5, 7, 10)]
    said = [problem.what.split(", ", 1)[1] for problem in found.problems]
    column = len(lines[2]) + 1
    assert said == [
        f"line 3, column {column}: not JSON",
        "line 6, target: no text",
        "lines 8 and 9 contradict each other",
    ]
    with pytest.raises(DataError, match=f"line 3, column {column}"):
        Fact.load(tmp_path / "facts.jsonl")


@pytest.mark.parametrize(
    ("middle", "where"),
    [
        ('{"prompt": "x', "line 2, column 14"), ("nothing", "line 2, column 1"), ('{"a": 1,}', "line 2, column 9"),
        ('{"prompt": "x", "target": "y"', "line 2, column 30"), ("  7", "line 2: not an object"),
    ],
)  # fmt: skip
def test_a_broken_line_costs_no_other(tmp_path, middle, where):
    found = survey(write(tmp_path, f"{line(0)}\n{middle}\n{line(1)}"))
    assert [fact.subject for fact in found.facts] == ["Land0", "Land1"]
    assert len(found.problems) == 1
    assert where in found.problems[0].what


def test_a_survey_of_a_sound_file_is_what_load_reads(tmp_path):
    file = write(tmp_path, json.dumps([ROME, ZSRE], indent=2), "mixed.json")
    assert survey(file).facts == Fact.load(file)
    assert not survey(file).problems
    with pytest.raises(DataError, match="no facts"):
        survey(write(tmp_path, "\n"))


@pytest.mark.parametrize(
    ("prompt", "subject"),
    [
        ("The capital of Australia is", "Australia"), ("Danielle Darrieux's mother tongue is", "Danielle Darrieux"),
        ("Who is the mayor of New York?", "New York"), ("Visitors come to Minumburg for the", "Minumburg"),
        ("The Tower of London stands in", "Tower of London"), ("In Drinton people eat", "Drinton"), ("Drinton plays", "Drinton"),
    ],
)  # fmt: skip
def test_a_subject_is_found_where_it_is_plain(tmp_path, prompt, subject):
    assert found_subject(prompt) == subject
    (fact,) = Fact.load(write(tmp_path, json.dumps({"prompt": prompt, "target": "x"})))
    assert fact.subject == subject


@pytest.mark.parametrize(
    "prompt", ["the capital of australia is", "Is the Rhine longer than the Elbe?", "The man from Rome met Ann in"]
)
def test_a_subject_that_is_not_plain_is_asked_for(tmp_path, prompt):
    with pytest.raises(DataError, match=r"line 1: what is .* about"):
        Fact.load(write(tmp_path, json.dumps({"prompt": prompt, "target": "x"})))


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="needs the shared data")
def test_every_file_of_the_collections_is_read():
    """All of it: all that is wrong are 21 pairs of CounterFact, prompts with two new targets (the twin cities of Tirana)."""
    files = [
        f
        for name in ("counterfact", "qaedit", "known_facts", "relations")
        for f in sorted((SHARED / "data" / name).glob("*.json"))
    ]
    assert len(files) == 50
    problems = []
    for file in files:
        found = survey(file)
        assert found.facts, file
        assert all(fact.subject in fact.prompt and fact.target for fact in found.facts)
        problems += found.problems
    assert len(problems) == 21
    assert all("counterfact-edit-5k.json, lines" in p.what and "contradict" in p.what for p in problems)


def test_neighbours_below_their_names_as_in_older_files(tmp_path):
    row = {"prompt": "The capital of Laos is", "subject": "Laos", "target_new": "Rome", "ground_truth": "Paris",
           "locality": {"neighborhood": {"prompt": "The capital of Peru is", "ground_truth": "Lima"},
                        "distracting": {"prompt": "Peru is in", "ground_truth": ["America", "x"]},
                        "Relation_Specificity": [{"prompt": "asked by ripples", "ground_truth": [["x"]]}]}}  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps([row]))
    (fact,) = Fact.load(tmp_path / "a.json")
    assert fact.neighbours == (("The capital of Peru is", "Lima"), ("Peru is in", "America"))


def test_a_relation_whose_lists_are_equally_long_is_no_table(tmp_path):
    relation = {"prompt_templates": ["{} plays", "{} loves"],
                "samples": [{"subject": "Tom", "object": "chess"}, {"subject": "Kim", "object": "go"}]}  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(relation, indent=1))
    assert [fact.target for fact in Fact.load(tmp_path / "a.json")] == ["chess", "go"]


def test_questions_about_what_follows_are_counted_with_what_asks_them(tmp_path, caplog):
    """KnowEdit's lists are asked by another option; what older files have under the same name is read here."""
    about = [{"prompt": "The river of Handland is", "ground_truth": [["Rell"]]}]
    row = {
        "subject": "Handland",
        "prompt": "The capital of Handland is",
        "target_new": "Wandton",
        "ground_truth": ["Oldton"],
    }
    file = tmp_path / "facts.json"
    file.write_text(
        json.dumps([{**row, "locality": {"Relation_Specificity": about}, "portability": {"Reasoning": about}}])
    )
    load(file)
    assert (
        "not asked here, of 1 rows: 'locality' (1), 'portability' (1); `suture eval --ripples` asks it" in caplog.text
    )
    caplog.clear()
    file.write_text(
        json.dumps([{**row, "locality": {"neighborhood": {"prompt": "The river is", "ground_truth": "Rell"}}}])
    )
    assert load(file)[0].neighbours
    assert "not asked" not in caplog.text
