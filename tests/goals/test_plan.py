"""A plan is made from the config alone and says what happens (R27: peak memory within 20 %)."""

import json
import subprocess
import sys

import pytest

from models import FAMILIES, SHARED, tiny_family
from suture.errors import UsageError
from suture.goals.plan import plan
from suture.runs.process import resident

READ = """
import json, sys
from suture.plan import plan, resident
name, examples, tokens = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
forecast = plan(name, examples=examples, tokens=tokens, measure=False)
from suture.anatomy import Site
from suture.examples import Labelled
from suture.features import extract
from suture.lm import LM
lm = LM.load(name)
text = "a" * 9000
text = lm.decode(lm.encode(text)[1 : tokens + 1])
extract(lm, [Labelled(text, 0)] * examples, [Site(layer, "mlp.in") for layer in range(lm.anatomy.layers)])
print(json.dumps({"forecast": forecast.peak, "real": resident()}))
"""


@pytest.mark.parametrize("name", ["patient", "babyllama-105-hf"])
def test_the_forecast_of_memory_is_within_a_fifth(name):
    folder = name if name == "patient" else str(SHARED / "models" / name)
    if name != "patient" and not (SHARED / "models").is_dir():
        pytest.skip("shared models are not here")
    done = subprocess.run([sys.executable, "-c", READ, folder, "300", "90"], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["forecast"] == pytest.approx(found["real"], rel=0.2)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_plan_needs_the_config_alone(family, tokenizer, tmp_path):
    lm = tiny_family(family, tokenizer)
    lm.model.config.save_pretrained(tmp_path)
    found = plan(tmp_path, measure=False)
    assert found.coverage == lm.anatomy.coverage()
    assert found.parameters == sum(p.numel() for p in lm.model.parameters())
    assert found.candidates == sum(w.shape[0] for w in lm.anatomy.weights(lm.anatomy.first))


def test_a_large_model_is_planned_without_its_weights(tmp_path):
    from transformers import LlamaConfig

    LlamaConfig(
        hidden_size=8192, intermediate_size=28672, num_hidden_layers=80, num_attention_heads=64, num_key_value_heads=8,
        vocab_size=128256, dtype="bfloat16",
    ).save_pretrained(tmp_path)  # fmt: skip
    before = resident()
    found = plan(tmp_path)
    assert 70e9 < found.parameters < 71e9
    assert found.weights == 2 * found.parameters
    assert found.candidates == 80 * 28672
    assert resident() - before < found.weights / 100


def test_what_is_no_model_is_said(tmp_path):
    with pytest.raises(UsageError, match=r"has no config\.json"):
        plan(tmp_path)
