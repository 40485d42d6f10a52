"""What a goal is: a `Preset` says what is wanted of any model, a `Goal` what that means on the model at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # a preset is read before anything heavy is
    from ..data.examples import Behaviour, Texts
    from ..measure.suite import Measure, Suite
    from ..model.run.pooling import Pool

Name = str  # of a goal: its file's
Better = Literal["higher", "lower"]
Class = Literal["wanted", "unwanted"]
Method = Literal["surgery", "policy_gradient", "natural_gradient", "dinm", "set", "steering", "ablation"]
METHODS: tuple[Method, ...] = (
    "surgery", "policy_gradient", "natural_gradient", "dinm", "set", "steering", "ablation",
)  # fmt: skip
Toward = Literal["positive", "negative"]


@dataclass(frozen=True)
class Target:
    """The measure that a goal moves: how often free continuations of its prompts get a label.

    Attributes:
        name: of the measure.
        judge: as on the command line.
        label: the label that is counted.
        about: one line for people.
        better: which way is better.
        best_possible: the share that could be reached at best.
        requests: its prompts are requests, which are asked in the chat template where there is one; what else is asked
            then is measured at every point of a search.
    """

    name: str
    judge: str
    label: str
    about: str
    better: Better = "lower"
    best_possible: float = 0.0
    requests: bool = False


@dataclass(frozen=True)
class Requests:
    """A measure beside the target: how often requests are answered, on models that have a chat template.

    Attributes:
        name: of the measure.
        prompts: a function of the texts' source that returns the requests of a split.
        better: which way is better.
        about: one line for people.
    """

    name: str
    prompts: str
    better: Better
    about: str


@dataclass(frozen=True)
class World:
    """The same goal on the bundled model, which is measured in a world of its own.

    Attributes:
        target: name of its measure.
        behaviour: name of its labelled texts.
        best_possible: what could be reached at best: a share, or the name of a measure.
        pool: the tokens probed.
        methods: chosen among; none learns from the model's own texts, as judges that have no name could not be given to make an
            edit again.
    """

    target: str
    behaviour: str
    best_possible: str | float
    pool: Pool = "response"
    methods: tuple[Method, ...] = ("surgery", "natural_gradient", "steering")


@dataclass(frozen=True)
class Preset:
    """A goal as a file in `goals/library/` says it.

    Attributes:
        texts: labelled texts and prompts, "SOURCE:PART".
        target: what is to move.
        leave: the class of those texts that the edit leads away from.
        methods: chosen among.
        trials: settings of surgery tried: all on few cases, a third on more, two on all.
        notes: measures shown beside.
        pool: the tokens probed: of the answers, or "decision", the last before them, where the model decides whether to give one.
        world: the same on the bundled model; None: it is measured as any other.
    """

    texts: str
    target: Target
    leave: Class = "unwanted"
    methods: tuple[Method, ...] = ("surgery", "policy_gradient", "steering")
    trials: int = 6
    notes: tuple[Requests, ...] = ()
    pool: Pool = "response"
    world: World | None = None


@dataclass(frozen=True, eq=False)
class Goal:
    """What is to be reached on one model.

    Attributes:
        name: of its file.
        behaviour: labelled texts to probe.
        leave: the class of them that the edit leads away from.
        pool: the tokens probed.
        keep: texts to leave alone.
        target: name of the measure to move.
        best_possible: name of the measure that says how far it could move at best, or the best share itself.
        methods: chosen among.
        tune: measures that choose settings, with the margin that ranks many of them ("margin").
        confirm: what to keep, on cases that confirm the choice.
        report: measures of the report.
        related: behaviours whose directions are compared with this one's.
        tasks: texts of general tasks by name, for the same.
        screen: the target on a pool of prompts, of which those that show the behaviour choose settings; None: all do.
        answered: harmless requests whose own answers are to stay as likely, where the goal is about requests.
        written: the target on prompts whose continuations the model is to learn from, see `policy_gradient`; None: from none.
        judge: of the target, as on the command line; "" where it has no name.
    """

    name: str
    behaviour: Behaviour
    leave: Class
    pool: Pool
    keep: Texts
    target: str
    best_possible: str | float
    methods: tuple[Method, ...]
    tune: Suite
    confirm: Suite
    report: Suite
    related: dict[str, Behaviour]
    tasks: dict[str, list[str]]
    screen: Measure | None = None
    answered: tuple[str, ...] = ()
    written: Measure | None = None
    judge: str = ""
