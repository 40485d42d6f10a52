"""From a goal to a verified patch: screen, measure, fit, rank, search, confirm, refine, make, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ..errors import UsageError
from ..locate.probe_rows import PAPER_SHARE
from ..measure.budget import Budget
from ..measure.report import Report
from ..metrics._score import Progress
from ..model.lm import LM
from ..patch.patch import Patch
from ..runs.run import Run
from ..search import Frontier, Settings
from .factory import CandidateFactory as CandidateFactory  # it was here, as `presets.Workshop`
from .schema import Goal, Method
from .stages import SearchPlan, Stages

SPACE: dict[str, list[Any]] = {
    "space": ["mlp.in", "residual", "final"],
    "select": ["effect", "cosine"],
    "rows": [25, 0.0125, 0.05, 0.1],  # a count, or a share of all
    "blocks": ["all", "first half", "middle half", "last half"],
}
FIRST: tuple[Settings, ...] = (
    {"space": "final", "select": "cosine", "rows": PAPER_SHARE, "blocks": "all"},  # the paper's bare recipe
    {"space": "mlp.in", "select": "effect", "rows": 0.05, "blocks": "all"},
)
TRIALS = 6
# of the points that shares may lose, on the prompts that confirm a choice; but what noise takes is no loss
MARGIN = 1 / 3
# of the budget, where nobody says: running text that nobody chose suffers up to three times as much (docs/presets.md)
ALLOWED = {"perplexity": 0.01, "kl": 0.02}


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a preset made: the patch, its report, and the search it was chosen in."""

    patch: Patch
    report: Report
    search: Frontier

    @property
    def chosen(self) -> Settings:
        """Settings and strength that were taken."""
        assert self.search.best is not None
        return {**self.search.best.settings, "strength": self.search.best.strength}


def reach(
    lm: LM,
    goal: Goal,
    run: Run,
    *,
    budget: Budget | None = None,
    space: Mapping[str, Sequence[Any]] = MappingProxyType(SPACE),
    first: Sequence[Settings] = FIRST,
    trials: int = TRIALS,
    methods: Sequence[Method] | None = None,
    margin: float = MARGIN,
    seed: int = 0,
    say: Callable[[str], None] = lambda text: None,
    progress: Progress | None = None,
) -> Outcome:
    """Reach a goal.

    Args:
        lm: the model; not changed.
        goal: what to reach.
        run: the folder of the run.
        budget: what it may cost; 2 points, 1 % of perplexity and 0.02 nats a token by default.
        space: values that each setting may take.
        first: settings tried before any others.
        trials: settings of surgery tried: all on few cases, the better third on more, the best two on all.
        methods: tried; by default those of the goal.
        margin: share of the budget's points that the chosen one may use on the prompts that confirm it, but always as much as
            the base differs from itself.
        seed: of the probe's split, the search and the control.
        say: told what is being done, a line a stage.
        progress: called as work advances.

    Raises:
        UsageError: when the run is a single file.
        NoEffect: when the behaviour is not there, or nothing within the budget moves it.
    """
    if run.folder is None:
        raise UsageError("this writes several files", why="`out` names one of them.", fix="Give a folder: `out=NAME`")
    chosen_methods, plan = tuple(methods or goal.methods), SearchPlan(space, first, trials, margin)
    stages = Stages(lm, goal, run, plan, budget or Budget(**ALLOWED), chosen_methods, seed, say, progress)
    return Outcome(stages.patch, stages.report, stages.choice)
