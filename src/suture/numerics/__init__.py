"""Maths that knows no model: least squares, the largest of many numbers, the one rounding.

No tensor has a name here; nothing is read or written.
"""
