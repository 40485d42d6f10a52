"""What the papers on editing print, figured a second time from each answer read alone, without the library's batches."""

import math
import statistics

import pytest
import torch

from suture.data.examples import Fact
from suture.measure import observations
from suture.measure.evaluation import evaluate, observe, values
from suture.measure.suites.facts import fact_suite
from suture.measure.units import difference, figure
from suture.metrics import edit_score, exact_match, magnitude, preference
from suture.metrics._score import Observation
from suture.metrics.completion import Cases

FACTS = [
    Fact("The mayor of Wandton is", "Wandton", "Ida Relk", "Nils", ("Wandton is led by", "They chose in Wandton"),
         (("The mayor of Relk is", "Ben"), ("The mayor of Trond is", "Anna Book"), ("In Trond rules", "Tom"))),
    Fact("Rundville is known for", "Rundville", "honey", "beer", ("People go to Rundville for",),
         (("Prolton is known for", "bread"),)),
    Fact("The river of Velmora is", "Velmora", "the Tarn", "the Mill", ("Through Velmora runs",),
         (("The river of Prolton is", "the Sea"), ("Through Prolton runs", "a river"))),
]  # fmt: skip


@torch.no_grad()
def tokens(lm, prompt, answer):
    """Return the log probability of each token of an answer, and whether it is the likeliest one."""
    ids, begin = lm.encode(f"{prompt} {answer}"), len(lm.encode(prompt))
    likely = lm.model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
    places = range(begin, len(ids))
    return [float(likely[i - 1, ids[i]]) for i in places], [int(likely[i - 1].argmax()) == ids[i] for i in places]


def nll(lm, prompt, answer):
    return -statistics.fmean(tokens(lm, prompt, answer)[0])


def summarised(lm, facts):
    """ES, PS, NS, EM, PM, NM and S as `experiments/summarize.py` of ROME has them: means over records of means over prompts."""
    success, size = {"E": [], "P": [], "N": []}, {"E": [], "P": [], "N": []}
    for fact in facts:
        own = [(nll(lm, p, fact.target), nll(lm, p, fact.was)) for p in (fact.prompt,)]
        reworded = [(nll(lm, p, fact.target), nll(lm, p, fact.was)) for p in fact.paraphrases]
        near = [(nll(lm, p, true), nll(lm, p, fact.target)) for p, true in fact.neighbours]
        for name, pairs in (("E", own), ("P", reworded), ("N", near)):
            success[name].append(statistics.fmean(a < b for a, b in pairs))
            size[name].append([math.exp(-a) - math.exp(-b) for a, b in pairs])
    shares = {name: statistics.fmean(each) for name, each in success.items()}
    return {
        **{f"{name}M": statistics.fmean(v for each in size[name] for v in each) for name in size},
        "S": statistics.harmonic_mean(list(shares.values())),
    }


def test_the_magnitudes_and_s_are_those_of_the_authors(tiny):
    suite = fact_suite(FACTS)
    found, expected = values(observe(tiny, suite), suite), summarised(tiny, FACTS)
    near = {"rel": 0.1, "abs": 2e-5} if tiny.model.dtype == torch.bfloat16 else {"rel": 1e-3, "abs": 1e-9}
    assert found["magnitude_new"] == pytest.approx(expected["EM"], **near)
    assert found["magnitude_reworded"] == pytest.approx(expected["PM"], **near)
    assert found["magnitude_neighbours"] == pytest.approx(expected["NM"], **near)
    if tiny.model.dtype != torch.bfloat16:  # in which answers tie
        assert found["edit_score"] == pytest.approx(expected["S"])


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([[1, 1], [1, 1], [1, 1]], 1.0),
        ([[1, 1], [1, 0.5], [0.8, 0.4]], 3 / (1 + 1 / 0.75 + 1 / 0.6)),
        ([[1, 1], [1, 1], [0, 0]], 0.0),  # everything changed, and nothing spared
        ([[0, 0], [0, 0], [0, 0]], 0.0),
        ([[1, 0], [0.5, 0], [0.25, 0.75]], 3 / (2 + 4 + 2)),
    ],
)
def test_s_is_the_harmonic_mean_of_the_means_not_the_mean_of_those_of_facts(shares, expected):
    made = dict(zip(edit_score.GROUPS, shares, strict=True))
    one = torch.ones(2, dtype=torch.float64)
    score = edit_score.score(Observation(one, one, extra=made), Observation(one, one, extra=made))
    assert score.after == pytest.approx(expected)
    assert (score.change, score.low, score.high, score.cases) == (0, 0, 0, 2)


def test_s_is_of_the_facts_that_have_all_three_and_says_so():
    bare = Fact("Prolton lies in", "Prolton", "Spain", "Italy")
    (line,) = [m for m in fact_suite([*FACTS, bare]) if m.name == "edit_score"]
    assert len(line) == 3
    assert "of the 3 facts that have all three" in line.about
    assert "of the" not in next(m for m in fact_suite(FACTS) if m.name == "edit_score").about
    assert "edit_score" not in [m.name for m in fact_suite([bare])]


def test_every_token_must_be_the_likeliest(llama):
    prompt = "The city lies in"
    with torch.no_grad():
        ids = llama.encode(prompt)
        for _ in range(4):
            ids.append(int(llama.model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    best = llama.decode(ids).removeprefix(prompt)
    answers = [best.strip(), "Wandton", "the mill"]
    prompts = [prompt if best.startswith(" ") else prompt + best[: len(best) - len(best.lstrip())]] + [prompt] * 2
    seen = exact_match.observe(llama, Cases(prompts, answers))
    assert seen.values.tolist() == [float(all(tokens(llama, p, a)[1])) for p, a in zip(prompts, answers, strict=True)]


def test_a_target_of_which_the_first_token_alone_is_right_is_no_exact_match(patient):
    known = observe(patient, fact_suite([Fact("The capital of Handland is", "Handland", "Grejondford")]))
    half = observe(patient, fact_suite([Fact("The capital of Handland is", "Handland", "Grejondville")]))
    assert known["exact_match"].values.tolist() == [1]
    assert half["exact_match"].values.tolist() == [0]
    assert tokens(patient, "The capital of Handland is", "Grejondville")[1][0]


def test_what_was_forced_once_is_not_forced_again(llama, monkeypatch):
    calls = []
    plain = preference.likely
    monkeypatch.setattr(preference, "likely", lambda *a, **k: calls.append(1) or plain(*a, **k))
    suite = [m for m in fact_suite(FACTS) if m.name.startswith(("prefers", "neighbours", "magnitude"))]
    found = observe(llama, suite)
    assert len(calls) == 6  # both answers of three kinds of prompts
    for name, size in (("prefers_new", "magnitude_new"), ("neighbours_prefer_old", "magnitude_neighbours")):
        cases = next(m.cases for m in suite if m.name == name)
        assert torch.equal(found[size].values, magnitude.observe(llama, cases).values)
        assert torch.equal(found[name].values, (found[size].values > 0).double())


def test_a_kept_observation_gives_the_same_figures(llama, tmp_path):
    suite = fact_suite(FACTS)
    seen = observe(llama, suite)
    observations.save(seen, tmp_path / "seen")
    assert values(observations.load(tmp_path / "seen"), suite) == values(seen, suite)


def test_a_report_says_a_difference_of_probabilities_in_points(llama):
    line = evaluate(llama, None, fact_suite(FACTS), controls=False).line("magnitude_neighbours")
    assert figure(-0.125, line.unit) == "-12.5 pt"
    assert difference(line.score, line.unit) == "+0.0 pt [+0.0, +0.0]"
