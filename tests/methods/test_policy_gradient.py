"""One step of policy gradient: that it makes what a judge prefers likelier, and learns from nothing else."""

from dataclasses import replace

import pytest
import torch

from even import Even
from suture import Patch
from suture.data.examples import Texts
from suture.errors import NoEffect, UsageError
from suture.judges import judge_named
from suture.measure.evaluation import observe, values
from suture.methods.policy_gradient import Rated, own_texts, policy_gradient, stepped
from suture.metrics.sampled import Cases
from suture.registry import source

PROMPTS = [f"The {animal} saw a {thing} and" for animal in ("cat", "dog", "bird") for thing in ("tree", "house", "man")]
KEPT = Texts(f"{name} bought {thing}." for name in ("Anna", "Boris", "Clara") for thing in ("bread", "a hat", "ink"))


def cases(label="odd", samples=4, **more):
    return Cases(PROMPTS, Even(), label, samples=samples, max_new_tokens=8, **more)


def likelihood(lm, rated):
    chosen = rated.chosen()
    rows = lm.encode_answers([p for p, _, _ in chosen], [t for _, t, _ in chosen])
    total = 0.0
    with torch.no_grad():
        for (ids, begin), (_, _, weight) in zip(rows, chosen, strict=True):
            likely = lm.forward(lm.batch([ids])).logits[0, :-1].double().log_softmax(-1)
            total += weight * float(likely.gather(-1, torch.tensor(ids)[1:, None])[begin - 1 :].sum())
    return total


@pytest.mark.parametrize("toward", ["more", "less"])
def test_ratings_say_what_is_wanted_and_rubble_never_is(llama, toward):
    rated = own_texts(llama, cases(), toward)
    judge = Even()
    wanted = {"more": ("odd",), "less": ("even",)}[toward]
    for prompt, texts, ratings in zip(rated.prompts, rated.texts, rated.ratings, strict=True):
        assert ratings == [float(judge(prompt, text) in wanted) for text in texts]
    assert rated.prompts == PROMPTS
    assert 0 < rated.share < 1


def test_each_text_is_weighed_against_the_others_of_its_prompt():
    rated = Rated(["a", "b", "c"], [["1", "2"], ["3", "4"], ["5", "6"]], [[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    assert rated.chosen() == [("b", "3", 0.5), ("b", "4", -0.5)]
    more = Rated(["a", "b"], [list("wxyz"), list("WXYZ")], [[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
    assert [text for _, text, _ in more.chosen(7)] == list(
        "WXYZ"
    )  # of the prompt that tells most; no part of the other


def test_what_is_preferred_becomes_likelier(llama):
    rated = own_texts(llama, cases(), "more")
    base = likelihood(llama, rated)
    patch = stepped(llama, rated, KEPT)
    with patch.applied(llama):
        assert likelihood(llama, rated) > base
    with (patch * -1.0).applied(llama):
        assert likelihood(llama, rated) < base


def test_the_command_s_method_is_the_same_step(llama, tmp_path):
    lists = [tmp_path / name for name in ("bad.txt", "good.txt")]
    lists[0].write_text("the\na\n", encoding="utf-8")
    lists[1].write_text("and\nof\n", encoding="utf-8")
    judge = ",".join(map(str, reversed(lists)))
    label = judge_named(judge).labels[0]
    how = {"samples": 6, "tokens": 12, "temperature": 1.0, "top_p": 1.0, "seed": 3}
    given = Cases(PROMPTS, judge_named(judge), label, samples=6, max_new_tokens=12, seed=3)
    patch = policy_gradient(llama, Texts(PROMPTS), judge=judge, label=label, keep=KEPT, **how)
    again = stepped(llama, own_texts(llama, given, "less"), KEPT)
    for name, terms in patch.terms.items():
        for one, other in zip(terms, again.terms[name], strict=True):
            assert all(torch.equal(a, b) for a, b in zip(one.tensors().values(), other.tensors().values(), strict=True))
    assert patch.provenance.settings["judge"] == judge
    assert 0 < patch.provenance.examples["share"] < 1
    path = patch.save(tmp_path / "p.safetensors")
    assert Patch.load(path).provenance.method == "policy_gradient"


def test_texts_that_say_nothing_are_told(llama):
    same = Rated(["a", "b"], [["1", "2"], ["3", "4"]], [[1.0, 1.0], [0.0, 0.0]])
    with pytest.raises(NoEffect, match="of 2 prompts none"):
        stepped(llama, same, KEPT)


def test_what_it_can_not_do_is_refused(llama):
    with pytest.raises(UsageError, match="1 texts a prompt"):
        policy_gradient(llama, Texts(PROMPTS), judge="sentiment", samples=1)
    with pytest.raises(UsageError, match="no label 'rude'"):
        policy_gradient(llama, Texts(PROMPTS), judge="sentiment", label="rude")
    with pytest.raises(UsageError, match=r"mlp\.down does not read"):
        policy_gradient(llama, Texts(PROMPTS), judge="sentiment", site="mlp.down")


def test_it_takes_rudeness_out_of_the_bundled_model_and_leaves_its_facts(patient):
    world = source("patient").world()
    learn = next(m for m in world.suite("probe", 60) if m.name == "rude")
    chosen = [m for m in world.suite("tune", 40) if m.name in ("rude", "facts_seen", "facts_unseen", "perplexity")]
    base = values(observe(patient, chosen), chosen)
    rated = own_texts(patient, replace(learn.cases, samples=4), "less")
    with stepped(patient, rated, world.keep()).applied(patient):
        now = values(observe(patient, chosen), chosen)
    assert now["rude"] < 0.5 * base["rude"]  # 78 -> 25 %
    assert min(now["facts_seen"], now["facts_unseen"]) > 0.9
    assert now["perplexity"] < 1.02 * base["perplexity"]
