"""The bundled patient: a tiny language model of a made-up world, its generator, its training and its test suites.

Load it with `LM.load("patient")`. What it can do is measured in docs/patient.md.
"""
