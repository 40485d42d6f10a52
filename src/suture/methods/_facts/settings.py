"""Settings that methods for facts share, declared and documented here and nowhere else.

A method takes them as `**shared: Unpack[ClosedForm]`; `registry.method` makes each a keyword of its own. The default stands
beside the type.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typing_extensions import TypedDict  # typing's own does not say what it is made of before Python 3.12

from ...data.examples import Texts


@dataclass(frozen=True)
class ValueOptimization:
    """How values are looked for, see `_facts.values`.

    Attributes:
        steps: most steps of Adam.
        rate: its rate, in units of the norm of h divided by the root of d_model.
        kl: weight of the KL on what the model says of the subject.
        decay: weight of the squared length.
        clamp: longest vector, in units of the norm of h.
        stop: loss per target token at which a fact is done, in its worst context.
        essence: continuations of the subject for the KL; 0 for none.
        token: of the subject, counted from its end; 0 for the tokens that say the target.
        seed: of the continuations.
    """

    steps: int = 60
    rate: float = 0.5
    kl: float = 0.0625
    decay: float = 0.0
    clamp: float = 1.0
    stop: float = 0.05
    essence: int = 2
    token: int = -1
    seed: int = 0


class ValueSettings(TypedDict, total=False):
    """Where facts are read, and how their values are looked for.

    Attributes:
        token: which of the subject's tokens is edited, counted from its end (`suture locate causal_trace` says which matter);
            0 for the tokens that say the target, which suits later blocks.
        prefixes: contexts that the model writes, besides the bare prompt.
        steps: most steps of the search for a value.
        rate: of its steps, in units of the residual's norm over the root of its width.
        kl: weight of what the model says of the subject otherwise.
        decay: weight of the squared length of what is added, in units of the residual's.
        clamp: longest vector added at a place, in units of the residual's norm.
    """

    token: Annotated[int, ValueOptimization.token]
    prefixes: Annotated[int, 8]
    steps: Annotated[int, ValueOptimization.steps]
    rate: Annotated[float, ValueOptimization.rate]
    kl: Annotated[float, ValueOptimization.kl]
    decay: Annotated[float, ValueOptimization.decay]
    clamp: Annotated[float, ValueOptimization.clamp]


class JointSettings(TypedDict, total=False):
    """How the changes of a batch are trained together, see `_facts.joint`.

    Attributes:
        joint_steps: passes over all facts with all changes in place, which make a batch agree with itself; 0 as published.
        kl_joint: weight, in these, of what the model says of the subjects and in texts to keep.
    """

    joint_steps: Annotated[int, 0]
    kl_joint: Annotated[float, 3.0]


class TextSettings(TypedDict, total=False):
    """Texts to keep, and what is drawn.

    Attributes:
        keep: texts whose keys make up C (bundled neutral texts by default).
        statistics: folder that keeps C between runs.
        seed: of the contexts.
    """

    keep: Annotated[Texts | None, None]
    statistics: Annotated[Path | None, None]
    seed: Annotated[int, 0]


class ClosedForm(ValueSettings, TextSettings, total=False):
    """What every closed form takes besides its own settings."""


class JointClosedForm(ValueSettings, JointSettings, TextSettings, total=False):
    """What those take whose changes can be trained together, too."""
