"""Pictures of an edit as inline SVG: pure functions from plain numbers to a string, one file a picture, no JavaScript.

Numbers come in the unit in which they are shown (per cent, points); names are escaped here.
"""
