"""How checkpoints lie on disk: folders, headers, spans, what is refused.

Nothing is changed here.
"""
