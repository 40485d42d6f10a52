"""A language model with its tokenizer and anatomy: loaded (`load/`), described (`arch/`), run (`run/`).

No method, no measure: it does not know why it is run.
"""
