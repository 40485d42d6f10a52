"""What counts as an answer in free text and in a chat."""

import pytest

from suture.data.examples import Fact
from suture.measure.suites.facts import fact_suite
from suture.metrics import any_of, completion
from suture.model.lm import LM


@pytest.fixture
def said(monkeypatch):
    """Have a model say given texts, whatever it is asked; returns what it was asked with."""
    texts, asked = [], {}

    def written(lm, prompts, answers, **how):
        asked.update(how)
        return [[text] for text in texts]

    for module in (completion, any_of):
        monkeypatch.setattr(module, "complete", written)
    return texts, asked


SENTENCES = ["The capital of France is Paris.", "Paris.", "The capital is Lyon. Not Paris.", "It is not Paris."]
ASKED = ["What is the capital of France?"] * 4


def test_in_a_chat_the_first_sentence_of_an_answer_decides_about_facts(said, llama: LM):
    texts, asked = said
    texts += SENTENCES
    facts = [Fact(f"{prompt} ({i})", "France", "Paris") for i, prompt in enumerate(ASKED)]
    (line,) = [m for m in fact_suite(facts, chat=True) if m.name == "success"]
    assert line.kind.observe(llama, line.cases).values.tolist() == [1, 1, 0, 0]
    assert asked["least"] == completion.SENTENCE, "room for a sentence"
    (line,) = [m for m in fact_suite(facts) if m.name == "success"]
    assert line.kind.observe(llama, line.cases).values.tolist() == [0, 1, 0, 0]
    assert asked["least"] == 0


def test_a_suite_that_wants_answers_word_for_word_gets_them_in_a_chat_too(said, llama):
    said[0].extend(SENTENCES)
    assert completion.observe(llama, completion.Cases(ASKED, ["Paris"] * 4, chat=True)).values.tolist() == [0, 1, 0, 0]


def test_reasoning_before_the_answer_is_no_sentence_of_it(said, llama):
    said[0].extend(
        ["<think>It may be Paris.</think>It is Lyon.", "<think>Lyon?</think>The capital of France is Paris."]
    )
    cases = completion.Cases(ASKED[:2], ["Paris"] * 2, chat=True, sentence=True)
    assert completion.observe(llama, cases).values.tolist() == [0, 1]


def test_questions_over_several_facts_are_judged_alike(said, llama):
    said[0].extend(SENTENCES)
    ways, names = [[prompt] for prompt in ASKED], [[["Paris", "Paname"]]] * 4
    assert any_of.observe(llama, any_of.Cases(ways, names, chat=True)).values.tolist() == [1, 1, 0, 0]
    assert any_of.observe(llama, any_of.Cases(ways, names)).values.tolist() == [0, 1, 0, 0]
