"""Reach a goal without being told a setting: what to want, what to try, what to choose.

No maths of an edit; methods do that.
"""
