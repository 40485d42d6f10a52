"""Our own lexicon of English words that praise or blame, by weight. Endings (-s, -ed, -ing, -ly, -er, -est) are found by rule.

The words stand in sentiment_words.jsonl, of their weights.
"""

from __future__ import annotations

from ..text.tables import Tables

TABLES = Tables.beside(__file__, "sentiment_words")
WORDS = {float(weight): " ".join(words) for weight, words in TABLES.grouped("WORDS").items()}
# weighted as a whole, their words are not read again; the order counts, for they are taken out of a text one after the other
PHRASES = {pattern: float(weight) for weight, pattern in TABLES.pairs("PHRASES")}
EMOJI = {face: float(weight) for weight, face in TABLES.pairs("EMOJI")}
