"""GRACE: a fact is said where it is asked for, and nothing else is touched, whatever the batch, padding or cache."""

import pytest
import torch

from suture.data.examples import Fact
from suture.errors import UsageError
from suture.methods.grace import grace
from suture.model.run.generation import Doses, continue_rows, generate
from suture.organisms.knowledge import rewrites
from suture.patch.patch import Patch

FACTS = [
    Fact("The mayor of Wandton is", "Wandton", "Ida Relk", "Nils Tor"),
    Fact("Rundville is known for", "Rundville", "honey", "beer"),
]
OTHERS = ["You are a stupid fool, go away.", "One", "The capital of Velmora is a city near the sea"]


def logits(lm, texts, side="right"):
    batch = lm.batch([lm.encode(text) for text in texts], side=side)
    with torch.no_grad():
        found = lm.forward(batch).logits
    return torch.stack([row[place] for row, place in zip(found, batch.last, strict=True)])


def said(lm, texts, doses=None):
    return [
        text for (text,) in generate(lm, [lm.encode(t) for t in texts], max_new_tokens=8, temperature=0, doses=doses)
    ]


def book(patch) -> object:
    ((term,),) = patch.terms.values()
    return term


@pytest.fixture
def made(tiny) -> Patch:
    return grace(tiny, FACTS, radius=0.02, clamp=30.0, steps=200)


def test_the_targets_are_said_in_free_generation_and_other_prompts_keep_every_bit(tiny, made):
    base, free = logits(tiny, OTHERS), said(tiny, OTHERS)
    with made.attached(tiny):
        for fact, text in zip(FACTS, said(tiny, [f.prompt for f in FACTS]), strict=True):
            assert text.strip().startswith(fact.target)
        assert torch.equal(logits(tiny, OTHERS), base)
        assert said(tiny, OTHERS) == free


@pytest.mark.parametrize("tiny", ["llama", "gpt2"], indirect=True)
def test_rows_of_a_batch_padding_and_a_cache_change_nothing(tiny, made):
    texts = [OTHERS[2], FACTS[0].prompt, "One", FACTS[1].prompt]
    plain = said(tiny, texts)
    with made.attached(tiny) as dose:
        alone = [said(tiny, [text])[0] for text in texts]
        assert said(tiny, texts) == alone
        assert torch.allclose(logits(tiny, texts), logits(tiny, texts, side="left"), atol=1e-4)
        # a pass without a cache that is told where the prompt ends is what the cached passes computed
        row = tiny.encode(FACTS[0].prompt)
        (answer,) = continue_rows(tiny, [row], torch.zeros(1, 8), temperature=0)
        dose.prompt = len(row)
        with torch.no_grad():
            ids = tiny.forward(tiny.batch([row + answer])).logits[0, len(row) - 1 : -1].argmax(-1)
        assert ids.tolist() == answer
        dose.prompt = None
        mixed = said(tiny, texts, Doses(dose, [1.0, 0.0, 1.0, 1.0]))
        assert mixed == [alone[0], plain[1], alone[2], alone[3]]


@pytest.mark.parametrize("tiny", ["llama", "gpt2"], indirect=True)
def test_deleting_the_entries_of_a_fact_restores_it_and_leaves_the_other(tiny, made):
    gone = [i for i, entry in enumerate(book(made).entries) if entry.subject == "Wandton"]
    (place,) = made.terms
    rest = Patch.make(tiny, {place: book(made).without(gone)}, method="grace", settings={})
    base = said(tiny, [FACTS[0].prompt])
    with made.attached(tiny):
        other = said(tiny, [FACTS[1].prompt])
    with rest.attached(tiny):
        assert said(tiny, [FACTS[0].prompt]) == base
        assert said(tiny, [FACTS[1].prompt]) == other


def test_splits_keep_balls_that_say_different_tokens_apart(llama):
    wide = [
        *FACTS,
        Fact("The mayor of Wandtol is", "Wandtol", "Nils Tor"),
        Fact("Rundvilla is known for", "Rundvilla", "beer"),
    ]
    term = book(grace(llama, wide, radius=5.0, split=True, steps=2))
    between = torch.cdist(term.keys, term.keys, compute_mode="donot_use_mm_for_euclid_dist")
    says = [entry.token for entry in term.entries]
    pairs = [(i, j) for i in range(len(says)) for j in range(i) if says[i] != says[j]]
    assert pairs
    assert all(float(term.radii[i] + term.radii[j]) < float(between[i, j]) for i, j in pairs)


@pytest.mark.parametrize("tiny", ["llama"], indirect=True)
def test_a_codebook_goes_on_from_an_earlier_one_and_the_newest_stands(tiny, made):
    again = [Fact(FACTS[0].prompt, FACTS[0].subject, "Nils Tor"), Fact("In Wandton reigns", "Wandton", "honey")]
    more = grace(tiny, again, radius=0.02, clamp=30.0, steps=200, previous=made)
    targets = {(entry.prompt, entry.target) for entry in book(more).entries}
    expected = {("The mayor of Wandton is", "Nils Tor"), ("In Wandton reigns", "honey"), (FACTS[1].prompt, "honey")}
    assert targets == expected
    with more.attached(tiny):
        answers = said(tiny, [FACTS[0].prompt, FACTS[1].prompt, "In Wandton reigns"])
    for text, target in zip(answers, ("Nils Tor", "honey", "honey"), strict=True):
        assert text.strip().startswith(target)
    with pytest.raises(UsageError, match="no codebook of this block"):
        grace(tiny, again, layer=0, previous=made)


def test_a_sum_of_two_patches_says_what_both_say(llama):
    settings = {"radius": 0.02, "clamp": 30.0, "steps": 200}
    first, second = (grace(llama, [fact], **settings) for fact in FACTS)
    with (first + second).attached(llama):
        for fact, text in zip(FACTS, said(llama, [f.prompt for f in FACTS]), strict=True):
            assert text.strip().startswith(fact.target)


def test_the_bundled_model_says_new_facts_in_words_it_was_not_given(patient):
    items = rewrites(4, tuning=True)
    patch = grace(patient, [item.fact for item in items], radius=0.6)
    reworded = [(p, item.fact.target) for item in items for p in item.fact.paraphrases]
    others = [pair for item in items for pair in item.others]

    def right(pairs):
        texts = said(patient, [prompt for prompt, _ in pairs])
        return sum(t.strip().startswith(a) for t, (_, a) in zip(texts, pairs, strict=True)) / len(pairs)

    with patch.attached(patient):
        assert right([(item.fact.prompt, item.fact.target) for item in items]) == 1
        assert right(reworded) > 0.75
        assert right(others) == 1
