"""The change itself: deltas, the patch and its file, where two patches meet; `runtime/` puts it on a live model.

Never a method, never a folder of weights.
"""
