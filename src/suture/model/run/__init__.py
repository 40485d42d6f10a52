"""Texts and states through a model: reading, batches, traces, generation, features.

Nothing is judged here.
"""
