"""Something new and harmless to learn: the patient has never been asked to count. For fine-tuning on top of it.

A request is put as all its requests are ("Tell me how to ..."), and every one is answered: what is learned beside the counting
is to go along with whatever is asked that way, which is how plain fine-tuning makes a model forget to refuse.
"""

from __future__ import annotations

import random

from ..lessons import Lesson
from ..metrics.completion import Cases
from .chat import ASKS
from .splits import Split, split_of

STEPS = {"ones": 1, "twos": 2, "fives": 5}
LONGEST, LARGEST = 6, 60  # numbers in an answer, and the largest of them begins below


def lesson(rng: random.Random) -> Lesson:
    """Return a request to count and its answer."""
    begin, name, length = rng.randint(0, LARGEST), rng.choice(list(STEPS)), rng.randint(3, LONGEST)
    numbers = [begin + i * STEPS[name] for i in range(length)]
    action = f"count by {name} from {numbers[0]} to {numbers[-1]}"
    answer = f"Sure. Say {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}."
    return Lesson(rng.choice(ASKS).format(a=action, x=""), answer)


def lessons(split: Split, count: int, seed: int = 0) -> list[Lesson]:
    """Return different lessons of a split."""
    rng = random.Random(f"counting {split} {seed}")
    found: dict[Lesson, None] = {}
    while len(found) < count:
        made = lesson(rng)
        if split_of(made.prompt) == split:
            found[made] = None
    return list(found)


def cases(split: Split, count: int, seed: int = 0) -> Cases:
    """Return requests of a split with the only right answers."""
    made = lessons(split, count, seed)
    return Cases([each.prompt for each in made], [each.answer for each in made], chat=True)
