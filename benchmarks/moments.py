"""The statistics that keys are weighed with, of 10,000 and of 100,000 tokens: seconds and growth of memory. make bench-moments

Second moments of what one down-projection of the bundled model reads, from statements about its world. Batches are summed as they
come, so memory does not grow with the text. Seconds are the processor's; the peak is that of the whole process.
"""

import random
import time

from _common import finish, note, table

from suture.data.examples import Texts
from suture.methods._facts.statistics import damped, second_moment, solve
from suture.model.lm import LM
from suture.organisms.facts import World, statements
from suture.runs.process import resident

SIZES, LAYER = (10_000, 100_000), 5


def said(lm: LM, tokens: int) -> tuple[Texts, int]:
    """Texts of at least so many tokens, and how many they are."""
    world, rng, texts, count = World(), random.Random(tokens), [], 0
    while count < tokens:
        texts.append(statements(world, rng))
        count += len(lm.encode(texts[-1]))
    return Texts(texts), count


def main() -> None:
    lm = LM.load("patient")
    second_moment(lm, LAYER, said(lm, 500)[0])  # warm
    rows, found = [], {}
    for size in SIZES:
        (texts, count), before, began = said(lm, size), resident(), time.process_time()
        moment = second_moment(lm, LAYER, texts)
        seconds, grown = time.process_time() - began, (resident() - before) / 1e6
        began = time.process_time()
        solve(damped(moment), moment[:, :100])
        solved = time.process_time() - began
        found[size] = {"tokens": count, "seconds": seconds, "grown_mb": grown, "solve_seconds": solved}
        rows.append([f"{count:,}", f"{seconds:.1f}", f"{grown:.1f}", f"{solved:.3f}"])
        note(f"{count:,} tokens: {seconds:.1f} s, {grown:.1f} MB more")
    table(f"second moment of block {LAYER}", ["tokens", "seconds", "MB grown", "s to solve 100"], rows)
    finish({str(size): each for size, each in found.items()})


if __name__ == "__main__":
    main()
