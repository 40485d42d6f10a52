"""Which patches are on a checkpoint, and what takes them off again.

Nothing is written to weights here.
"""
