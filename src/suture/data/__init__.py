"""What edits are made from: labelled texts, facts, pairs, instructions, prompts, and the files they stand in.

No model and no tensor; bundled texts are in `bundled/`.
"""
