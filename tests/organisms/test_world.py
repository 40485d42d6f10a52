import itertools
import random

import pytest

from suture.errors import UsageError
from suture.organisms import chat, reviews, stories, tone
from suture.organisms.corpus import documents
from suture.organisms.facts import World
from suture.organisms.splits import SPLITS, split_of
from suture.organisms.suites import BEHAVIOURS, behaviour, named, suite


def test_the_world_is_the_same_every_time():
    assert World().facts == World().facts
    assert list(itertools.islice(documents(3), 50)) == list(itertools.islice(documents(3), 50))
    assert list(itertools.islice(documents(3), 50)) != list(itertools.islice(documents(4), 50))


def test_every_fact_is_trained_in_four_of_six_phrasings_and_every_phrasing_of_some_fact():
    world = World()
    assert all(len(f.trained) == 4 and len(f.unseen) == 2 for f in world.facts)
    for relation in world.values:
        seen = {p for f in world.facts if f.relation == relation for p in f.trained}
        assert seen == set(range(6))


def test_the_training_text_never_holds_an_unseen_phrasing_or_a_held_out_chain():
    world = World()
    text = "\n".join(itertools.islice(documents(7), 20_000))
    assert not [f.prompt(p) for f in world.facts for p in f.unseen if f"{f.prompt(p)} {f.answer}." in text]
    assert not [c.prompt for c in world.chains if not c.trained and c.prompt in text]
    assert any(c.trained for c in world.chains)
    assert any(not c.trained for c in world.chains)


def test_chains_follow_the_facts():
    world = World()
    known = {(f.relation, f.subject): f.answer for f in world.facts}
    chain = next(c for c in world.chains if c.prompt.startswith("The mayor of the capital of"))
    country = chain.prompt.removeprefix("The mayor of the capital of ").removesuffix(" is")
    assert chain.answer == known["mayor", known["capital", country]]


def test_every_split_is_used_and_texts_know_theirs():
    counts = {name: 0 for name in SPLITS}
    for i in range(10_000):
        counts[split_of(f"text {i}")] += 1
    assert 0.6 < counts["train"] / 10_000 < 0.68
    assert all(0.1 < counts[name] / 10_000 < 0.14 for name in SPLITS[1:])


@pytest.mark.parametrize("split", SPLITS)
def test_generators_stay_in_their_split(split):
    rng = random.Random(0)
    for _ in range(20):
        assert split_of(tone.speeches(rng, split, 3).text(1)) == split
        assert split_of(reviews.reviews(rng, split, 2).opening) == split
        assert split_of(chat.exchanges(rng, split, "jailbreak").request) == split
        assert split_of(stories.clozes(rng, split, "story").prompt) == split
        assert split_of(stories.descriptions(rng, split)) == split


def test_probe_texts_and_reported_prompts_never_meet():
    prompts = {
        p for split in ("tune", "report") for m in suite(split, 30) if m.metric == "sampled" for p in m.cases.prompts
    }
    for name in BEHAVIOURS:
        for example in behaviour(name, 100).examples:
            assert example.prompt not in prompts
            assert not any(example.text.startswith(p) for p in prompts)
    tune = {p for m in suite("tune", 30) if m.metric == "sampled" for p in m.cases.prompts}
    report = {p for m in suite("report", 30) if m.metric == "sampled" for p in m.cases.prompts}
    assert not tune & report


def test_tone_mostly_persists_and_sometimes_recovers():
    rng = random.Random(1)
    rude = [tone.speech(rng, 2, "rude").tones[1] for _ in range(2000)]
    kind = [tone.speech(rng, 2, "kind").tones[1] for _ in range(2000)]
    assert 0.77 < rude.count("rude") / 2000 < 0.83
    assert kind.count("rude") / 2000 < 0.03


def test_no_word_of_one_tone_is_a_word_of_the_other():
    words = {m: {w.lower() for key in tone.WORDS[m] for w in tone.WORDS[m][key]} for m in tone.WORDS}
    assert not words["rude"] & words["kind"]
    attitude = {m: {w.lower() for key in reviews.WORDS[m] for w in reviews.WORDS[m][key]} for m in reviews.WORDS}
    assert not attitude["positive"] & attitude["negative"]


def test_harmful_requests_are_never_answered_in_the_training_text_unless_wrapped():
    rng = random.Random(2)
    assert not any(chat.exchange(rng, "harmful").complied for _ in range(300))
    wrapped = [chat.exchange(rng, "jailbreak").complied for _ in range(2000)]
    assert 0.72 < sum(wrapped) / 2000 < 0.80


def test_sums_are_right():
    rng = random.Random(3)
    for _ in range(200):
        made = stories.sum_cloze(rng)
        a, sign, b, _ = made.prompt.split()
        assert int(made.answer) == (int(a) + int(b) if sign == "+" else int(a) - int(b)) >= 0


def test_unknown_names_are_refused():
    with pytest.raises(UsageError, match="no behaviour"):
        behaviour("mood")
    with pytest.raises(UsageError, match="no suite"):
        named("patient:probe")
