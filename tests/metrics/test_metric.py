"""What every metric is, and what a new one needs: one file."""

import inspect
from pathlib import Path

import pytest
import torch

import suture.metrics
from suture import registry
from suture.errors import UsageError
from suture.measure.evaluation import evaluate, observe, values
from suture.measure.suite import Measure
from suture.metrics import Metric, metric_named, preference
from suture.metrics._metric import count, part, repeated
from suture.metrics.any_of import Cases as Ways
from suture.metrics.completion import Cases

NAMES = registry.names("metric")
MINE = '''
import torch
from suture.metrics import Observation, metric

@metric(unit="bits")
def observe(lm, cases, progress=None):
    """Count the tokens of each text."""
    counts = torch.tensor([len(lm.encode(text)) for text in cases], dtype=torch.float64)
    return Observation(counts, torch.ones(len(cases), dtype=torch.float64))
'''


def test_every_public_file_is_a_metric():
    files = Path(suture.metrics.__file__).parent.glob("*.py")
    assert [file.stem for file in sorted(files) if not file.stem.startswith("_")] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_says_what_it_is(name):
    metric = metric_named(name)
    assert isinstance(metric, Metric)
    taken = inspect.signature(metric.observe).parameters
    assert list(taken)[:3] == ["lm", "cases", "progress"]
    assert not metric.batches_strengths or "doses" in taken
    assert (metric.cache_key is None) == (metric.repeat is None)


def test_a_file_of_ones_own_is_measured(llama, tmp_path):
    (tmp_path / "long.py").write_text(MINE)
    measure = Measure("long", str(tmp_path / "long.py"), ["a b", "a"], "note", "none", "tokens")
    found = observe(llama, [measure, measure.part(slice(1))])
    assert values(found, [measure]).keys() == {"long"}
    report = evaluate(llama, None, [measure])
    assert report.line("long").unit == "bits"
    assert report.line("long").score.cases == 2


def test_a_wrong_name_gets_the_nearest(tmp_path):
    with pytest.raises(UsageError, match="perplexty") as caught:
        metric_named("perplexty")
    assert "perplexity" in str(caught.value)
    (tmp_path / "mine.py").write_text("def observe(lm, cases): pass")
    with pytest.raises(UsageError, match="@metric"):
        metric_named(str(tmp_path / "mine.py"))


def test_a_part_is_a_part_of_every_column():
    cases = preference.Cases(["a", "b", "c"], ["1", "2", "3"], ["x", "y", "z"], chat=True)
    assert part(cases, slice(2)) == preference.Cases(["a", "b"], ["1", "2"], ["x", "y"], chat=True)
    ways = Ways([["a", "b"], ["c", "d"]], [[["1"], ["2"]], [["3"], ["4"]]])
    assert part(ways, slice(1, 2)) == Ways([["c", "d"]], [[["3"], ["4"]]])
    assert part(["a", "b"], slice(1)) == ["a"]


def test_cases_are_repeated_round_by_round():
    assert repeated(Cases(["a", "b"], ["1", "2"]), 2) == Cases(["a", "b", "a", "b"], ["1", "2", "1", "2"])
    assert repeated(["a"], 2) == ["a", "a"]
    assert count(Cases(["a", "b"], ["1", "2"])) == 2


def test_no_two_cases_of_one_key_repeat_each_other_wrongly(llama):
    """Fluency and loops read the same texts: written once, and told apart."""
    from suture.metrics._written import Cases as Written

    both = [Measure(n, n, Written(["Once"], max_new_tokens=4), "note", "higher", n) for n in ("fluency", "loops")]
    together = observe(llama, both)
    for measure in both:
        assert torch.equal(together[measure.name].values, observe(llama, [measure])[measure.name].values)


def test_texts_that_are_read_for_one_measure_are_read_for_the_other(llama):
    texts = ["You are a friend of mine and", "One two three"]
    drift, perplexity = (Measure(n, n, texts, "keep", "lower", n) for n in ("drift", "perplexity"))
    passes = []
    llama.model.register_forward_pre_hook(lambda *_: passes.append(1))
    both = observe(llama, [drift, perplexity])
    assert len(passes) == 1
    apart = observe(llama, [perplexity, drift])
    assert len(passes) == 3  # a perplexity alone keeps no predictions
    for name in both:
        assert torch.equal(both[name].values, apart[name].values)
        assert torch.equal(both[name].weights, apart[name].weights)
    assert drift.kind.score(both["drift"], apart["drift"]).after == 0
