"""The bundled weights can do what their card says. `python -m suture.organisms.card` measures it on more prompts."""

import pytest

from suture.measure.evaluation import observe, values
from suture.model.lm import BUNDLED, LM
from suture.organisms.card import FLOORS, misses
from suture.organisms.suites import suite


def test_the_patient_passes_the_checks_of_its_card(patient):
    measures = [m for m in suite("report", 150) if m.name in FLOORS or m.name == "rude_floor"]
    assert misses(values(observe(patient, measures), measures)) == []


@pytest.mark.skipif(not BUNDLED["patient-moe"].is_dir(), reason="its weights are not here")
def test_so_does_the_mixture_of_experts():
    lm = LM.load("patient-moe")
    assert {weight.site.expert for weight in lm.anatomy.weights("mlp.down")} == {0, 1, 2, 3}
    measures = [m for m in suite("report", 40) if m.name in FLOORS]
    assert misses(values(observe(lm, measures), measures)) == []
