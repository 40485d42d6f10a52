"""The door of every model.

Nothing is changed here.
"""
