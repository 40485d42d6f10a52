"""A second small model, of another world than the bundled one: what is true of one model may be luck.

It has other words (islands, harbours and their keepers), other names, another chat format with other special tokens
(`[ASK] ... [/ASK] ... [END]`) and another shape; how it was made is in tests/organisms/second/README.md. Everything that
`suture.organisms` makes of the patient's world it makes of this one with `words=SECOND`: `suite(words=SECOND)`,
`behaviour("tone", words=SECOND)`, `rewrites(20, words=SECOND)`, `World(SECOND)`.
"""

from pathlib import Path

from suture.organisms.words import Words

HOME = Path(__file__).parent / "organisms" / "second"
FOLDER = HOME / "model"  # for LM.load, and wherever a command takes MODEL
SECOND = Words.read(HOME / "words")
