"""A talk with a model under a patch, at any strength.

No web page; that is `serve/`.
"""
