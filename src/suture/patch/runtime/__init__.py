"""A patch on a live model: merged and taken out bit for bit, or beside the weights by hooks.

No file and no method.
"""
