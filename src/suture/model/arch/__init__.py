"""Where things are in a model: families, sites, names on disk.

Nothing is run here.
"""
