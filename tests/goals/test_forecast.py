"""A goal's forecast: it grows with what is asked for, and is the sum of what the stages do."""

import pytest

from models import tiny_family
from suture.goals.forecast import forecast_goal
from suture.goals.plan import plan
from suture.goals.resolve import ANSWERED
from suture.goals.rungs import LAST
from suture.methods._trained.harmless import CHECKED, CHOOSING, HELD, WRITTEN


@pytest.fixture
def known(tokenizer, tmp_path):
    tiny_family("llama", tokenizer).model.config.save_pretrained(tmp_path)
    return plan(tmp_path, measure=False)


def test_it_grows_with_what_is_asked_for(known):
    def of(trials=12, tune=60, report=120, chat=True, requests=False):
        return forecast_goal(known, trials=trials, tune=tune, report=report, chat=chat, requests=requests)

    whole, fast = of(), of(LAST, 24, 24)
    assert fast.read < whole.read
    assert fast.written < whole.written
    assert whole.written < of(requests=True).written
    assert of(chat=False).written < whole.written
    assert of(report=500) == whole  # the bundled prompts are not more
    assert whole.operations == known.operations_a_token * (whole.read + whole.written)
    assert whole.seconds is None


def test_without_a_chat_what_is_written_is_short(known):
    found = forecast_goal(known, trials=LAST, tune=24, report=24, chat=False)
    # screened, measured, two candidates at three strengths; sampled and greedy texts of base, edited and random patch, others
    assert found.written == 40 * (2 * 24 + 24 + LAST * 3 * 24 + 6 * 24 + 2 * 2 * 60)
    more = forecast_goal(known, trials=LAST, tune=24, report=24, chat=True)
    assert more.written - found.written == 40 * 3 * 3 * min(24, ANSWERED) + 100 * 2 * 3 * 24


def test_every_method_has_its_work(known):
    def of(*methods):
        return forecast_goal(known, trials=9, tune=60, report=60, chat=True, requests=True, methods=methods)

    alone, whole = of("surgery"), of("surgery", "dinm", "set", "steering", "ablation")
    taught = of("dinm", "set", "steering", "ablation")
    assert alone.read < whole.read
    assert alone.written < whole.written
    assert taught.read < whole.read
    assert taught.written < whole.written
    assert of("dinm").read > of("steering").read  # ten steps with gradients, and blocks that are compared
    assert of("dinm").written - of("steering").written == WRITTEN * (HELD + CHOOSING + 2 * CHECKED)


def test_memory_is_more_than_the_weights(known):
    found = forecast_goal(known, trials=12, tune=60, report=120, chat=True)
    assert found.peak > known.process + known.weights + known.read
