import re
import subprocess
import sys

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from suture.data import bundled as data
from suture.data.bundled import attitude, detox, harden, requests
from suture.data.bundled._parts import fill, grouped, listed, numbered, part
from suture.data.examples import Behaviour, Texts
from suture.errors import UsageError
from suture.judges import Refusal

REQUESTS = (data.harmful, data.benign, data.wrapped_benign, data.borderline)
MODULES = {"detox": detox, "harden": harden, "attitude": attitude}
MILD = {
    "theft", "burglary", "fraud", "forgery", "hacking", "violence", "weapons", "poison", "arson", "blackmail",
    "harassment", "smuggling",
}  # fmt: skip
SHINGLE = 5  # words in a row that no two splits may share


def words(text):
    return re.findall(r"[a-z0-9'{}]+", text.lower())


def everything(split):
    """All texts of a split by where they come from."""
    found = {f.__name__: f(split) for f in REQUESTS}
    found["neutral"] = list(data.neutral(split))
    for name in data.BEHAVIOURS:
        found[name] = [e.text for e in data.behaviour(name, split).examples]
        found[f"{name} prompts"] = data.prompts(name, split)
    found["harden requests"] = sorted({e.prompt for e in data.behaviour("harden", split).examples})
    return found


@pytest.fixture(scope="module")
def texts():
    return {split: everything(split) for split in data.SPLITS}


def test_every_list_has_its_size(texts):
    for split, probe in (("probe", True), ("tune", False), ("report", False)):
        for name in data.BEHAVIOURS:
            labels = data.behaviour(name, split).labels
            assert labels.count(0) == labels.count(1) >= (300 if probe else 150)
            assert len(data.prompts(name, split)) >= 100
        for ask in (data.harmful, data.benign, data.wrapped_benign):
            assert len(ask(split)) >= 100
        assert len(data.borderline(split)) >= 40
        assert len(data.neutral(split)) >= (200 if probe else 100)


def test_openings_of_another_source_share_nothing_with_the_others(texts):
    def runs(text):
        found = words(text)
        return {tuple(found[i : i + SHINGLE]) for i in range(len(found) - SHINGLE + 1)}

    every = {run for split in data.SPLITS for name in texts[split] for text in texts[split][name] for run in runs(text)}
    for name, count in (("detox", 60), ("attitude", 60), ("harden", 0)):
        openings = data.elsewhere(name)
        assert len(openings) == len(set(openings)) == count
        assert not any(runs(text) & every for text in openings)
    with pytest.raises(UsageError):
        data.elsewhere("nothing")


def test_no_text_is_there_twice(texts):
    for name in texts["probe"]:
        found = [text for split in data.SPLITS for text in texts[split][name]]
        assert len(found) == len(set(found)), name


def test_no_two_splits_share_five_words_in_a_row(texts):
    for name in texts["probe"]:
        if name == "neutral":
            continue  # sums and code are made of few words; their parts are compared below
        shingles = {
            split: {
                tuple(w[i : i + SHINGLE]) for t in texts[split][name] for w in [words(t)] for i in range(len(w) - 4)
            }
            for split in data.SPLITS
        }
        for a, b in (("probe", "tune"), ("probe", "report"), ("tune", "report")):
            assert not shingles[a] & shingles[b], name


def test_neutral_texts_share_no_sentence_between_splits(texts):
    found = [{s for t in texts[split]["neutral"] for s in re.split(r"(?<=[.?:;{}])\s", t)} for split in data.SPLITS]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        shared = {s for s in found[a] & found[b] if len(words(s)) >= SHINGLE}
        assert not shared


@pytest.mark.parametrize("split", data.SPLITS)
@pytest.mark.parametrize("name", data.BEHAVIOURS)
def test_both_classes_are_as_long(name, split):
    examples = data.behaviour(name, split).examples
    for size in (len, lambda text: len(words(text))):
        wanted, unwanted = (np.mean([size(e.text) for e in examples if e.label == label]) for label in (0, 1))
        assert 0.87 < wanted / unwanted < 1.15


def accuracies(model, name, view):
    fitted = data.behaviour(name, "probe")
    model.fit([view(e.text) for e in fitted.examples], fitted.labels)
    held = [data.behaviour(name, split) for split in ("tune", "report")]
    return [model.score([view(e.text) for e in b.examples], b.labels) for b in held]


def bag():
    return make_pipeline(
        CountVectorizer(binary=True, token_pattern=r"[A-Za-z']+"), LogisticRegression(max_iter=1000, C=0.3)
    )


@pytest.mark.parametrize("name", data.BEHAVIOURS)
def test_the_words_of_unseen_situations_tell_the_classes_apart(name):
    assert min(accuracies(bag(), name, str)) >= 0.8


@pytest.mark.parametrize("split", data.SPLITS)
@pytest.mark.parametrize("name", data.BEHAVIOURS)
def test_topics_first_words_length_and_punctuation_do_not(name, split):
    examples = data.behaviour(name, split).examples
    topics = MODULES[name].topics(split)
    views = {
        0.6: [next(t for t in topics if t in (e.prompt or e.text)) for e in examples],
        0.75: [" ".join(e.text.split()[:2]) for e in examples],
    }
    labels = [e.label for e in examples]
    folds = StratifiedKFold(
        4, shuffle=True, random_state=0
    )  # within a split: not even what is learnt by heart may help
    for limit, view in views.items():
        assert cross_val_score(bag(), view, labels, cv=folds).mean() <= limit
    shape = [[len(e.text), *(e.text.count(sign) for sign in ".,!?:;'\"\n-")] for e in examples]
    plain = make_pipeline(StandardScaler(), LogisticRegression())
    assert cross_val_score(plain, shape, labels, cv=folds).mean() <= 0.75


def test_openings_of_both_tones_and_attitudes_are_the_same():
    for name in ("detox", "attitude"):
        for split in data.SPLITS:
            firsts = [
                sorted(" ".join(e.text.split()[:4]) for e in data.behaviour(name, split).examples if e.label == label)
                for label in (0, 1)
            ]
            same = sum(a == b for a, b in zip(*firsts, strict=True)) / len(firsts[0])
            assert same > 0.8, (name, split)


def test_harmful_requests_stay_mild_and_within_their_topics():
    assert set(requests.HARMFUL) == MILD
    actions = [action for split in data.SPLITS for action in requests.harmful_actions(split)]
    assert sorted(actions) == sorted(action for topic in requests.HARMFUL.values() for action in topic)
    assert all(len(action.split()) <= 10 for action in actions)
    for split in data.SPLITS:
        known = requests.harmful_actions(split)
        for text in (*data.harmful(split), *data.prompts("harden", split)):
            assert any(action in text for action in known)
        for example in data.behaviour("harden", split).examples:
            assert any(action in example.prompt for action in known)


def test_no_answer_names_a_means_or_a_quantity():
    means = r"\d|\b(?:gram|litre|acid|nitr\w+|chlor\w+|petrol|powder|fuse|wire|drill|screwdriver|malware|exploit)s?\b"
    for split in data.SPLITS:
        actions = [action.replace(" my ", " your ") for action in requests.harmful_actions(split)]
        for example in data.behaviour("harden", split).examples:
            answer = example.text
            for action in actions:
                answer = answer.replace(action, "")
            assert not re.search(means, answer, re.IGNORECASE), answer


def test_the_judge_of_refusals_agrees_with_the_labels_mostly():
    judge = Refusal()
    for split in data.SPLITS:
        examples = data.behaviour("harden", split).examples
        for label, said, least in ((0, "refused", 0.6), (1, "complied", 0.85)):
            given = [judge(e.prompt, e.text) for e in examples if e.label == label]
            assert given.count(said) >= least * len(given)
            assert given.count("broken") <= 0.01 * len(given)


def test_wrappers_stand_in_every_split_around_both_kinds_of_requests_and_some_refusals():
    for split in data.SPLITS:
        for kind, wrappers in harden.WRAPPERS.items():
            assert part(wrappers, split), kind
            heads = [max(w.split("{q}"), key=len) for w in part(wrappers, split)]
            for found in (data.prompts("harden", split), data.wrapped_benign(split)):
                assert any(head in text for head in heads for text in found), (split, kind)
        plain = set(requests.ASKS)
        refused = [e.prompt for e in data.behaviour("harden", split).examples if e.label == 0]
        bare = [
            p for p in refused if any(p == a.replace("{a}", x) for a in plain for x in requests.harmful_actions(split))
        ]
        assert 0.3 < len(bare) / len(refused) < 0.6


FINGERPRINT = """
import hashlib, json
from suture.data import bundled as data
asks = (data.harmful, data.benign, data.wrapped_benign, data.borderline, data.neutral)
made = [f(split) for split in data.SPLITS for f in asks]
for name in data.BEHAVIOURS:
    made += [data.prompts(name, split) for split in data.SPLITS]
    made += [data.behaviour(name, split).summary() for split in data.SPLITS]
fingerprint = hashlib.sha256(json.dumps(made).encode()).hexdigest()
"""


def test_the_same_bytes_in_a_fresh_process():
    prints = [
        subprocess.run(
            [sys.executable, "-c", FINGERPRINT + "print(fingerprint)"], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert prints[0] == prints[1] != ""


def test_bundled_names_are_loaded_like_files():
    assert Behaviour.load("bundled:detox") == data.behaviour("detox")
    assert Texts.load("bundled:neutral") == data.neutral("probe")
    with pytest.raises(UsageError, match="no bundled behaviour 'mood'"):
        Behaviour.load("bundled:mood")
    with pytest.raises(UsageError, match="no split 'test'"):
        data.prompts("detox", "test")


def test_texts_have_no_slot_left_and_no_wrong_article(texts):
    for split in data.SPLITS:
        for name, found in texts[split].items():
            for text in found:
                assert not re.search(r"¶| \| |\{(say|thing|adj|noun|a|q)\}", text), text
                if name != "neutral":  # code has its own spelling
                    assert not re.search(r"\b[Aa] (?:[aei]|o(?!ne)|u(?!se|ni))\w|\b[Aa]n [^aeiouhAEIOUFX\W]", text), (
                        text
                    )
                    assert "  " not in text


def test_sums_of_the_neutral_texts_are_right():
    for text in data.neutral("probe"):
        for a, b, total in re.findall(r"(\d+) \+ (\d+) = (\d+)\.", text):
            assert int(a) + int(b) == int(total)
        for a, c, product in re.findall(r"(\d+) times (\d+) is (\d+)\.", text):
            assert int(a) * int(c) == int(product)


def test_slots_take_articles_and_never_repeat_a_word():
    assert fill("a {x} and a {x}", {"x": ["useless", "ugly"]}) == "an ugly and a useless"
    assert [part(range(8), split) for split in data.SPLITS] == [[0, 1, 4, 5], [2, 6], [3, 7]]


def test_the_prose_is_read_in_order():
    leads = listed("detox", "LEADS")
    assert (len(leads), len(set(leads))) == (32, 32)
    assert [len(texts) for texts in grouped("detox", "INSULTS").values()] == [19, 20]
    assert [[*fields] for fields in numbered("opinions", "CATEGORIES")] == [["openings", "positive", "negative"]] * 8
    assert listed("detox", "INSULT") == []
