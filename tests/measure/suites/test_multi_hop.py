"""MQuAKE: its files, and its rule that any of three questions may be answered."""

import json

import pytest

from suture.data.examples import Fact
from suture.errors import DataError, UsageError
from suture.measure.evaluation import observe, values
from suture.measure.suites.multi_hop import hop_suite, load_hops, rewritten
from suture.metrics import any_of
from suture.organisms.facts import World


def record(**changes):
    rewrite = {"prompt": "The capital of {} is", "subject": "Laos", "target_new": {"str": "Rome"},
               "target_true": {"str": "Vientiane"}}  # fmt: skip
    made = {
        "requested_rewrite": [rewrite],
        "questions": ["Who is the mayor of Laos' capital?", "Who governs it?", "Its mayor?"],
        "new_answer": "Nils",
        "new_answer_alias": ["Nils Tor"],
        "new_single_hops": [{"cloze": "The mayor of Rome is", "answer": "Nils", "answer_alias": []}],
    }
    return made | changes


def test_instances_are_read(tmp_path):
    file = tmp_path / "mquake.json"
    file.write_text(json.dumps([record(), record()]))
    first, second = load_hops(file)
    assert first.answers == ("Nils", "Nils Tor")
    assert first.hops == (("The mayor of Rome is", ("Nils",)),)
    assert [f.prompt for f in rewritten([first, second])] == ["The capital of Laos is"]
    assert (first.facts[0].target, first.facts[0].was) == ("Rome", "Vientiane")
    assert len(load_hops(file, take=1)) == 1
    assert Fact.load(file) == [first.facts[0]]  # said in both
    assert {m.name for m in hop_suite([first])} == {"edit_wise", "single_hops", "instance_wise", "multi_hop"}
    with pytest.raises(UsageError):
        hop_suite([])


@pytest.mark.parametrize("wrong", [{"questions": []}, {"requested_rewrite": [{}]}, {"new_answer": ""}])
def test_what_is_no_instance_is_refused_with_its_line(tmp_path, wrong):
    file = tmp_path / "mquake.json"
    file.write_text(json.dumps([record(**wrong)]))
    with pytest.raises(DataError, match="line 1"):
        load_hops(file)


def test_one_right_way_is_enough_unless_every_one_is_asked_for(patient):
    facts = [fact for fact in World().facts if fact.relation == "sport"][:6]
    ways = [[f"A stone is a {i}", fact.askable(fact.trained)] for i, fact in enumerate(facts)]
    answers = [[["nothing of this", fact.answer]] * 2 for fact in facts]
    seen = any_of.observe(patient, any_of.Cases(ways, answers))
    assert seen.values.tolist() == [1.0] * len(facts)
    assert any_of.observe(patient, any_of.Cases(ways, answers, every=True)).mean == 0
    swapped = [
        [own[0], ["zebra"]] for own in answers
    ]  # each way has answers of its own: the right one is the first way's
    assert any_of.observe(patient, any_of.Cases(ways, swapped)).mean == 0
    assert any_of.observe(patient, any_of.Cases(ways, [[["zebra"]] * 2] * len(facts))).mean == 0


def test_the_suite_is_measured(patient, tmp_path):
    world = World()
    capital = next(fact for fact in world.facts if fact.relation == "capital")
    mayor = next(fact for fact in world.facts if fact.relation == "mayor" and fact.subject == capital.answer)
    rewrite = {"prompt": capital.prompt(0).replace(capital.subject, "{}"), "subject": capital.subject,
               "target_new": {"str": "Zed"}, "target_true": {"str": capital.answer}}  # fmt: skip
    hop = {"cloze": mayor.askable(mayor.trained), "answer": mayor.answer}
    file = tmp_path / "m.json"
    file.write_text(json.dumps([record(requested_rewrite=[rewrite], new_single_hops=[hop])]))
    measures = hop_suite(load_hops(file))
    found = values(observe(patient, measures), measures)
    assert (found["edit_wise"], found["single_hops"], found["multi_hop"]) == (0, 1, 0)


def test_in_a_chat_every_question_is_asked_in_one(tmp_path):
    file = tmp_path / "m.json"
    file.write_text(json.dumps([record()]))
    measures = hop_suite(load_hops(file), chat=True)
    assert {measure.name: measure.cases.chat for measure in measures} == dict.fromkeys(
        ("edit_wise", "single_hops", "instance_wise", "multi_hop"), True
    )
    assert not any(measure.cases.chat for measure in hop_suite(load_hops(file)))


def test_an_instance_is_right_when_all_its_single_facts_are(patient, tmp_path):
    known = [fact for fact in World().facts if fact.relation == "sport"][:2]
    hops = [{"cloze": fact.askable(fact.trained), "answer": fact.answer} for fact in known]
    wrong = {"cloze": hops[0]["cloze"], "answer": "zebra"}
    file = tmp_path / "m.json"
    file.write_text(json.dumps([record(new_single_hops=hops), record(new_single_hops=[hops[0], wrong])]))
    measures = hop_suite(load_hops(file))
    found = values(observe(patient, measures), measures)
    assert (found["single_hops"], found["instance_wise"]) == (3 / 4, 1 / 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"questions": "Who?"}, "line 1, questions: not a list"),
        ({"questions": None}, "line 1, questions: not a list"),
        ({"new_single_hops": "Who?"}, "line 1, new_single_hops: not a list"),
        ({"new_answer": 4}, "A text is missing"),
        ({"requested_rewrite": [{"subject": "Laos"}]}, "requested_rewrite: incomplete\nIt has subject"),
        ({"requested_rewrite": None}, "requested_rewrite: incomplete\nIt is null"),
    ],
)
def test_parts_of_another_kind_are_named(tmp_path, changes, message):
    file = tmp_path / "mquake.json"
    file.write_text(json.dumps([record(**changes)]))
    with pytest.raises(DataError, match=message):
        load_hops(file)


@pytest.mark.parametrize("key", ["requested_rewrite", "questions", "new_answer"])
def test_what_is_no_instance_is_told_by_what_it_lacks(tmp_path, key):
    file = tmp_path / "facts.jsonl"
    file.write_text(json.dumps({name: value for name, value in record().items() if name != key}))
    with pytest.raises(DataError, match=f"not an instance of MQuAKE\nIt has no {key}"):
        load_hops(file)


def test_one_alias_is_one_answer_and_not_its_letters(tmp_path):
    file = tmp_path / "mquake.json"
    file.write_text(json.dumps([record(new_answer_alias="Nils Tor")]))
    assert load_hops(file)[0].answers == ("Nils", "Nils Tor")
