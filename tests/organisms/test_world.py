import itertools
import random

import pytest

from second import SECOND
from suture.errors import UsageError
from suture.judges import Begins
from suture.organisms import chat, reviews, stories, tone
from suture.organisms.corpus import documents
from suture.organisms.facts import World
from suture.organisms.splits import SPLITS, split_of
from suture.organisms.suites import BEHAVIOURS, behaviour, named, suite
from suture.organisms.words import PATIENT

WORLDS = pytest.mark.parametrize("words", [PATIENT, SECOND], ids=["patient", "second"])


def test_the_world_is_the_same_every_time():
    assert World().facts == World().facts
    assert list(itertools.islice(documents(3), 50)) == list(itertools.islice(documents(3), 50))
    assert list(itertools.islice(documents(3), 50)) != list(itertools.islice(documents(4), 50))


@WORLDS
def test_every_fact_is_trained_in_four_of_six_phrasings_and_every_phrasing_of_some_fact(words):
    world = World(words)
    assert all(len(f.trained) == 4 and len(f.unseen) == 2 for f in world.facts)
    for relation in world.values:
        seen = {p for f in world.facts if f.relation == relation for p in f.trained}
        assert seen == set(range(6))


@WORLDS
def test_the_training_text_never_holds_an_unseen_phrasing_or_a_held_out_chain(words):
    world = World(words)
    text = "\n".join(itertools.islice(documents(7, words), 20_000))
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


@WORLDS
@pytest.mark.parametrize("split", SPLITS)
def test_generators_stay_in_their_split(split, words):
    rng = random.Random(0)
    for _ in range(20):
        assert split_of(tone.speeches(rng, split, 3, words=words).text(1)) == split
        assert split_of(reviews.reviews(rng, split, 2, words=words).opening) == split
        assert split_of(chat.exchanges(rng, split, "jailbreak", words=words).request) == split
        assert split_of(stories.clozes(rng, split, "story", words).prompt) == split
        assert split_of(stories.descriptions(rng, split, words)) == split


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


@WORLDS
def test_no_word_of_one_tone_is_a_word_of_the_other(words):
    for table in (words.tone.moods, words.reviews.attitudes):
        one, other = ({w.lower() for texts in table[mood].values() for w in texts} for mood in table)
        assert not one & other


def test_the_worlds_share_no_names_no_tone_no_answers_and_no_special_tokens():
    worlds = [World(words) for words in (PATIENT, SECOND)]
    assert not set.intersection(*({*world.countries, *world.cities, *world.people} for world in worlds))
    assert not set.intersection(*({value for values in world.values.values() for value in values} for world in worlds))
    for part in (
        lambda words: {w for mood in words.tone.moods.values() for texts in mood.values() for w in texts},
        lambda words: {*words.chat.refusals, *words.chat.harmful_answers, *words.chat.benign_answers, *words.chat.asks},
        lambda words: {*words.tone.frames, *words.tone.settings, *words.tone.names},
        lambda words: {words.turns.start, words.turns.end, words.turns.padding, *words.turns.marks},
    ):
        assert not part(PATIENT) & part(SECOND)


@WORLDS
def test_a_refusal_is_told_from_an_answer(words):
    judge = Begins(words.chat.refused)
    assert {judge("", text.format(a="sing")) for text in words.chat.refusals} == {"refused"}
    answers = (*words.chat.harmful_answers, *words.chat.benign_answers)
    assert {judge("", text.format(a="sing")) for text in answers} == {"complied"}


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
