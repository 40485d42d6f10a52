"""What is asked of a model, by subject: facts, ripples, hops, safety.

One subject a file.
"""
