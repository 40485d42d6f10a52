"""What letters, words and gaps are in any script; what a reader sees, and what must stay hidden.

Strings in, strings out: no file, no model.
"""
