"""Edits that add up: the ledger, the sequence, taking one out.

No method of its own.
"""
