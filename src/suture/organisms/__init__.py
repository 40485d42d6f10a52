"""The bundled patient: a tiny language model of a made-up world, its generator, its training and its test suites.

Load it with `LM.load("patient")`, or as a mixture of experts with `LM.load("patient-moe")`. What they can do is measured in
docs/patient.md.
"""

from pathlib import Path

FOLDERS = {name: Path(__file__).parent / own for name, own in (("patient", "model"), ("patient-moe", "model-moe"))}
