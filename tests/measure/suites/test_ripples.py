"""RippleEdits and KnowEdit: their files, conditions, and what an axis asks."""

import json

import pytest

from suture.data.examples import Fact
from suture.errors import DataError, UsageError
from suture.measure.evaluation import observe, values
from suture.measure.suites.ripples import Question, Ripple, executable, load_ripples, ripple_suite
from suture.metrics import any_of
from suture.metrics.any_of import says
from suture.organisms.facts import World


def query(prompt, value, *aliases):
    return {"prompt": prompt, "answers": [{"value": value, "aliases": list(aliases)}], "phrase": None}


def group(*queries, condition="OR", resting=()):
    return {"test_queries": list(queries), "test_condition": condition, "condition_queries": list(resting)}


def ripple(**axes):
    edit = {
        "prompt": "The name of the capital city of Laos is New Rome.",
        "original_fact": {"prompt": "The name of the capital city of Laos is New York City."},
    }
    return {"example_type": "popular", "edit": edit, **axes}


def written(tmp_path, *rows):
    file = tmp_path / "tests.json"
    file.write_text(json.dumps(rows))
    return file


def test_ripple_edits_are_read(tmp_path):
    rest = query("The mayor of New Rome is", "Nils")
    row = ripple(
        Relation_Specifity=[group(query("The language of Laos is", "Lao", "Laotian"))],
        Compositionality_I=[group(query("The mayor of the capital of Laos is", "Nils"), resting=[rest])],
        Subject_Aliasing=[group(query("a", "b"), query("c", "d"), condition="AND"), group(query("e", ""))],
        Forgetfulness=[],
    )
    first, second, third = load_ripples(written(tmp_path, row, row), take=1)
    assert first == Ripple("relation_specificity", (Question("The language of Laos is", ("Lao", "Laotian")),))
    assert second.conditions == (Question("The mayor of New Rome is", ("Nils",)),)
    assert third.every
    assert len(third.questions) == 2
    (fact,) = Fact.load(written(tmp_path, row))
    assert (fact.prompt, fact.subject) == ("The name of the capital city of Laos is", "Laos")
    assert (fact.target, fact.was) == ("New Rome", "New York City")


def test_know_edit_is_read(tmp_path):
    row = {
        "subject": "Leo Arons", "prompt": "The place of death of Leo Arons is", "target_new": "Berlin",
        "portability": {"Reasoning": [{"prompt": "Its head is", "ground_truth": [["Kai Wegner", "Wegner"], ["Kai"]]}]},
        "locality": {"Relation_Specificity": [{"prompt": "The father of Leo Arons is", "ground_truth": ["Albert Arons"]}],
                     "Forgetfulness": [{"prompt": "x", "ground_truth": []}]},
    }  # fmt: skip
    reasoning, stays = load_ripples(written(tmp_path, row))
    assert reasoning == Ripple("reasoning", (Question("Its head is", ("Kai Wegner", "Wegner", "Kai")),))
    assert (stays.axis, stays.questions[0].answers) == ("relation_specificity", ("Albert Arons",))
    assert {m.name: m.role for m in ripple_suite([reasoning, stays])} == {
        "ripple_reasoning": "note",
        "ripple_relation_specificity": "keep",
    }
    assert Fact.load(written(tmp_path, row))[0].target == "Berlin"


NO_ANSWERS = ripple(Forgetfulness=[{"test_queries": [{"prompt": "x"}]}])


@pytest.mark.parametrize("wrong", [{"a": 1}, NO_ANSWERS, ripple(), {"portability": 3}])
def test_what_is_no_test_is_refused(tmp_path, wrong):
    with pytest.raises(DataError, match=r"tests\.json"):
        load_ripples(written(tmp_path, wrong))


def test_an_edit_without_its_old_fact_is_no_fact(tmp_path):
    row = ripple()
    del row["edit"]["original_fact"]
    with pytest.raises(DataError, match="line 1: an edit without original_fact"):
        Fact.load(written(tmp_path, row))


def test_tests_count_where_their_conditions_are_known(patient):
    sports = [fact for fact in World().facts if fact.relation == "sport"][:4]
    known = [Question(fact.askable(fact.trained), (fact.answer,)) for fact in sports]
    wrong = Question(known[0].prompt, ("zebra",))
    tests = [
        Ripple("reasoning", (known[0],)),
        Ripple("reasoning", (known[1],), conditions=(known[2], known[3])),
        Ripple("reasoning", (known[1],), conditions=(known[2], wrong)),
        Ripple("forgetfulness", (known[1], wrong)),
        Ripple("forgetfulness", (known[1], wrong), every=True),
        Ripple("forgetfulness", (known[1], known[0]), every=True),
    ]
    asked = executable(patient, tests)
    assert asked == [*tests[:2], *tests[3:]]
    measures = ripple_suite(asked)
    found = values(observe(patient, measures), measures)
    assert found == {"ripple_reasoning": 1, "ripple_forgetfulness": 1, "ripple_forgetfulness_all": 0.5}
    assert [len(m) for m in measures] == [2, 1, 2]
    with pytest.raises(UsageError, match="no test can be asked"):
        ripple_suite(executable(patient, tests[2:3]))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"edit": {}, "Reasoning": ["no test"]}, "'no test' is not an object."),
        ({"edit": {}, "Reasoning": [{"test_queries": [{"prompt": "x"}]}]}, "'answers' is missing."),
        ({"portability": ["x"]}, "['x'] is not an object."),
        ({"locality": {"axis": [{"prompt": 3, "ground_truth": "y"}]}}, "3 is not a text."),
    ],
)
def test_a_file_of_another_kind_is_refused_in_words(tmp_path, row, why):
    with pytest.raises(DataError) as caught:
        load_ripples(written(tmp_path, row))
    assert caught.value.why == why


def test_a_query_with_several_targets_asks_for_all_of_them(tmp_path):
    both = query("The brothers of Leo are", "Karl", "Charles")
    both["answers"].append({"value": "Max", "aliases": ["Maxim"]})
    file = written(tmp_path, ripple(Logical_Generalization=[group(query("a", "b"), resting=[both]), group(both)]))
    resting, asked = load_ripples(file)
    assert resting.conditions == asked.questions
    assert asked.questions == (Question("The brothers of Leo are", ("Karl", "Charles"), (("Max", "Maxim"),)),)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (" Charles and Max.", True),
        (" Maxim, Karl", True),  # in any order, by any of their names
        (" Karl.", False),
        (" Karl and Maximilian", False),
        (" Karl and Climax", False),
        (" His brothers are Karl and Max", False),  # one of them comes first
    ],
)
def test_all_targets_are_said_each_by_a_name(text, right):
    assert says(text, [["Karl", "Charles"], ["Max", "Maxim"]]) == right


def test_several_targets_are_asked_of_a_model(patient):
    fact = next(fact for fact in World().facts if fact.relation == "sport")
    prompt = fact.askable(fact.trained)
    one, two = Question(prompt, (fact.answer,)), Question(prompt, (fact.answer,), (("zebra",),))
    tests = [Ripple("reasoning", (one,), conditions=(one,)), Ripple("reasoning", (one,), conditions=(two,))]
    assert executable(patient, tests) == tests[:1]
    measures = ripple_suite([Ripple("reasoning", (one,)), Ripple("reasoning", (two,))])
    assert values(observe(patient, measures), measures) == {"ripple_reasoning": 0.5}


def test_in_a_chat_tests_and_their_conditions_are_asked_in_one(llama, monkeypatch):
    seen = []

    def complete(lm, prompts, answers, *, chat, **how):
        seen.append(chat)
        return [[""]] * len(prompts)

    monkeypatch.setattr(any_of, "complete", complete)
    question = Question("Who?", ("Tom",))
    assert executable(llama, [Ripple("reasoning", (question,), conditions=(question,))], chat=True) == []
    (measure,) = ripple_suite([Ripple("reasoning", (question,))], chat=True)
    assert measure.cases.chat
    assert seen == [True]


@pytest.mark.parametrize(
    ("aliases", "answers"), [("Max", ("Tom", "Max")), (None, ("Tom",)), ([], ("Tom",)), (["Max"], ("Tom", "Max"))]
)
def test_one_alias_is_one_answer_and_not_its_letters(tmp_path, aliases, answers):
    asked = {"prompt": "Who?", "answers": [{"value": "Tom", "aliases": aliases}]}
    (test,) = load_ripples(written(tmp_path, ripple(Logical_Generalization=[group(asked)])))
    assert test.questions[0].answers == answers
