"""The bundled weights can do what their card says. `python -m suture.patient.card` measures it on more prompts."""

from suture.evaluation import observe, values
from suture.patient.card import FLOORS, misses
from suture.patient.suites import suite


def test_the_patient_passes_the_checks_of_its_card(patient):
    measures = [m for m in suite("report", 150) if m.name in FLOORS or m.name == "rude_floor"]
    assert misses(values(observe(patient, measures), measures)) == []
