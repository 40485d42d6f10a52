"""How many candidates of a goal are measured on how much: all on what is read in seconds, fewer on some cases, LAST on all."""

from __future__ import annotations

from ..measure.evaluation import Baseline
from ..measure.suite import Suite, measure_named
from ..search import Measured, Rung
from .measures import MARGIN

READ = 12  # texts on which all candidates are ranked
FEW = 3  # the better third is measured on one case in so many
LAST = 2  # candidates measured on all cases
DOSES = (2**-0.5, 1.0)  # of the strongest within the budget, where the better third is measured


def rungs(whole: Measured, tune: Suite, baseline: Baseline, candidates: int) -> list[Rung]:
    """Return how so many candidates are measured.

    The first rung ranks by the margin of wanted over unwanted continuations, for what they cost on neutral texts. Few candidates
    are all measured on all cases; without a margin, all on some.

    Args:
        whole: the base on all that chooses settings.
        tune: the same measures with the margin.
        baseline: what the base does on them.
        candidates: how many there are.
    """
    sizes = {m.name: max(READ, len(m) // FEW) for m in whole.suite}
    no_fewer = sizes[whole.target] >= len(whole.aim)  # some would be all of them, written twice
    if candidates <= (2 * LAST if no_fewer else LAST):
        return [Rung(whole, candidates)]
    some = whole.part(sizes)
    better = [Rung(some, LAST, DOSES), Rung(whole, LAST)]
    if all(m.name != MARGIN for m in tune):
        return better
    everything = Measured.of(whole.lm, tune, MARGIN, whole.budget, None, baseline)
    reads = {m.name: READ for m in whole.to_keep if m.kind.cost == "reads"}
    margin = everything.part({MARGIN: len(measure_named(tune, MARGIN)), **reads})
    return [Rung(margin, -(-candidates // 3), ()), *better]
