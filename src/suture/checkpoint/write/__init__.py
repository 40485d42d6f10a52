"""How a change reaches the disk: whole, or not at all.

Decides nothing about what is changed.
"""
