"""Prompts that settings are chosen on: those with something to lose, looked for no longer than needed."""

import pytest
import torch

from suture.goals import screening
from suture.goals.screening import chosen_of, screened
from suture.judges import Lexicon
from suture.measure.suite import Measure
from suture.metrics._score import Observation
from suture.metrics.sampled import Cases


def pool(shows, better="lower"):
    judge = Lexicon({"rude": ["fool"], "kind": ["friend"]})
    cases = Cases([f"p{i}" for i in range(len(shows))], judge, "rude", samples=1)
    values = torch.tensor([float(s) for s in shows], dtype=torch.float64)
    texts = [["you fool, go away" if show else "you are my friend"] for show in shows]
    measure = Measure("rude", "sampled", cases, "target", better, "rude continuations")
    return measure, Observation(values, torch.ones_like(values), texts)


def test_prompts_that_show_the_behaviour_are_chosen_in_their_order():
    measure, observation = pool([i % 10 == 7 for i in range(50)])
    chosen = chosen_of(measure, observation, 16)
    prompts = chosen.prompts
    assert (chosen.showing, chosen.of, chosen.share) == (5, 50, 0.1)
    assert {f"p{i}" for i in (7, 17, 27, 37, 47)} <= set(prompts)
    assert prompts == sorted(prompts, key=lambda p: int(p[1:]))
    assert len(prompts) == 8


def test_a_frequent_behaviour_needs_no_screening():
    measure, observation = pool([i % 2 == 0 for i in range(20)])
    chosen = chosen_of(measure, observation, 8)
    assert (chosen.prompts, chosen.showing) == ([f"p{i}" for i in range(8)], 10)


def test_where_more_is_better_prompts_without_it_are_chosen():
    measure, observation = pool([i % 10 != 3 for i in range(50)], "higher")
    chosen = chosen_of(measure, observation, 10)
    assert (chosen.prompts, chosen.showing) == (["p3", "p13", "p23", "p33", "p43"], 5)


@pytest.mark.parametrize(("every", "looked"), [(2, [8]), (9, [8, 24])])
def test_the_rest_of_a_pool_is_looked_at_only_where_the_first_show_little(monkeypatch, every, looked):
    measure, observation = pool([i % every == 0 for i in range(32)])
    sizes = []

    def observe(lm, suite, progress=None):
        sizes.append(len(suite[0]))
        begin = measure.cases.prompts.index(suite[0].cases.prompts[0])
        return {"rude": observation.part(slice(begin, begin + len(suite[0])))}

    monkeypatch.setattr(screening, "observe", observe)
    chosen = screened(None, measure, 8)
    assert sizes == looked
    assert chosen.of == sum(looked)
    assert chosen.showing == sum(i % every == 0 for i in range(sum(looked)))
