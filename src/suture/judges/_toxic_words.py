"""Our own small lexicon of English insults, swearing and slighting words, by strength. Slurs are left out but for a few.

Weights: 1 and more is toxic by itself; what is below needs someone it is aimed at (see `toxicity`). An asterisk at the end
stands for any ending. The words stand in toxic_words.jsonl, by the names of their levels.
"""

from __future__ import annotations

from ..text.tables import Tables

STRONG = 1.0  # swearing that few would print, and words with no other use than to degrade
INSULT = 0.9  # a rude name for a person or a body
CHARGE = 0.6  # an insult when it is thrown at someone, else a word of news and stories
SLIGHT = 0.5  # says something bad of a person, but as well of things
ANIMAL = 0.3  # an insult only when someone is called so
SWEAR = 0.3  # mild swearing, at nothing in particular

TABLES = Tables.beside(__file__, "toxic_words")
WORDS = {  # of two levels with one weight the last one's words count: ANIMAL has none as long as SWEAR weighs the same
    STRONG: " ".join(TABLES.texts("STRONG")),
    INSULT: " ".join(TABLES.texts("INSULT")),
    CHARGE: " ".join(TABLES.texts("CHARGE")),
    SLIGHT: " ".join(TABLES.texts("SLIGHT")),
    ANIMAL: " ".join(TABLES.texts("ANIMAL")),
    SWEAR: " ".join(TABLES.texts("SWEAR")),
}
