"""What reaching a goal will read, write and hold, from a model's config alone: nothing is loaded.

    peak = process + file + weights + predictions kept + max(generation, ranking, reading)
    generation: rows * tokens * layers * 2 * d_kv + 5 rows * vocabulary     keys and values, and what is made of the logits
    ranking:    tokens * (4 vocabulary + layers * (6 d_model + 3 d_ff))     a graph for gradients, and for a natural gradient
                                                                           those of the matrices it changes
The counts of tokens are those of bundled texts; how often a budget is looked for is not known before, and taken from experience.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..locate._probes import KEEP_TOKENS, KEEP_WIDTHS, PORTION
from ..locate._row_slopes import TOKENS
from ..methods._natural_step import HELD as HELD_GRADIENTS
from ..methods._natural_step import SHARP_TOKENS
from ..methods._trained.harmless import CHECKED, CHOOSING, HELD, WRITTEN
from ..methods._trained.refusing import HALVINGS, REFERENCE
from ..methods.dinm import LOOK, TRIED
from ..methods.enhance_safety import KEPT
from ..methods.enhance_safety import TOKENS as KEPT_TOKENS
from ..methods.policy_gradient import LEARNED, SAMPLES
from ..metrics.drift import BUDGET
from ..model.load.loading import read_config
from ..model.load.named import model_folder
from ..model.run.batches import BATCH_TOKENS, tokens_with_logits
from ..model.run.generation import ROWS
from ..search.bracket import SIDE_BY_SIDE
from ..search.climb import SHARES
from .candidates import CONTRASTS as GRADIENT_CONTRASTS
from .candidates import DANGEROUS, INSTANCES, MASK_EXAMPLES, PLAIN, RISKY, SET_BATCH, SET_STEPS, TEXTS
from .factory import CONTRASTS, RANK_TOKENS
from .measures import LONG, PAIRS, SHORT, TWICE
from .plan import Plan
from .resolve import ANSWERED, NEUTRAL, OWN_ANSWERS
from .resolve import WRITTEN as OPENINGS
from .rungs import DOSES, FEW, LAST, READ
from .schema import Method
from .screening import SCREENED

TEXT = 45  # tokens of a labelled or neutral text
PROMPT, REQUEST = 26, 60  # tokens of a prompt, and of a request in its template
HELD_OUT = 67  # labelled texts that score a probe
EVALUATIONS = 7  # strengths by which a budget is found, as measured
KINDS = 3  # of requests whose answers are kept
BACKWARD = 3  # a pass with gradients costs so many without
PROMPTS = 120  # in a bundled split
OTHERS = 60  # bundled openings of another source, see `bundled.elsewhere`
STEPS = int(REFERENCE["steps"])  # of DINM, whose default is the authors'


@dataclass(frozen=True)
class GoalForecast:
    """A forecast.

    Attributes:
        read: tokens that are read, those with gradients counted BACKWARD times.
        written: tokens that are written.
        operations: floating-point operations of both.
        seconds: of both at the rate that was measured here, or None: writing is slower than that, so at least.
        peak: most bytes the process will hold.
    """

    read: int
    written: int
    operations: float
    seconds: float | None
    peak: int


def forecast_goal(
    plan: Plan,
    *,
    trials: int,
    tune: int,
    report: int,
    chat: bool,
    requests: bool = False,
    methods: Sequence[Method] = ("surgery",),
) -> GoalForecast:
    """Forecast a goal on a model of the world outside.

    Args:
        plan: of the model, see `plan`.
        trials: settings tried.
        tune: prompts a measure while settings are chosen.
        report: prompts a measure in the report.
        chat: the model has a chat template, so that requests are asked.
        requests: the goal is about requests, whose answers are measured at every point.
        methods: that are chosen among. Whether surgery is left out of several, as the model has no refusals of its own, only the
            model can tell: with it, it is the most.
    """
    config = read_config(plan.model, model_folder(plan.model)).get_text_config()
    vocabulary, width, layers = int(config.vocab_size), int(config.hidden_size), int(config.num_hidden_layers)
    inner = int(getattr(config, "intermediate_size", None) or 4 * width)
    heads = int(config.num_attention_heads)
    kv = int(getattr(config, "num_key_value_heads", None) or heads) * int(
        getattr(config, "head_dim", None) or width // heads
    )
    sizes = _Sizes(
        trials if "surgery" in methods else 0, min(tune, PROMPTS), min(report, PROMPTS), width, chat, requests
    )
    read, written = (
        sum(parts) for parts in zip(sizes.tokens(methods), _trained(methods, chat and not requests), strict=True)
    )
    item = max(1, plan.weights // max(plan.parameters, 1))
    rows = min(ROWS, SIDE_BY_SIDE * tune)
    length = (REQUEST + LONG) if requests else (PROMPT + SHORT)
    generation = item * rows * length * layers * 2 * kv + 4 * 5 * rows * vocabulary
    ranking = item * tokens_with_logits(vocabulary, TOKENS, 2) * (4 * vocabulary + layers * (6 * width + 3 * inner))
    reading = 4 * 3 * tokens_with_logits(vocabulary) * vocabulary + plan.work * PORTION * TEXT // BATCH_TOKENS
    kept = 3 * 4 * min(BUDGET, min(tune, NEUTRAL) * TEXT * vocabulary)
    gradients = 4 * plan.candidates * width if {"policy_gradient", "natural_gradient"} & set(methods) else 0
    peak = (
        plan.process
        + plan.read
        + plan.weights
        + kept
        + max(generation, ranking + min(gradients, HELD_GRADIENTS), reading)
    )
    operations = plan.operations_a_token * (read + written)
    rate = plan.operations / plan.seconds if plan.seconds else None
    return GoalForecast(read, written, operations, operations / rate if rate else None, peak)


@dataclass(frozen=True)
class _Sizes:
    """What a goal is asked on; see `forecast_goal`. `trials` is of surgery, 0 where it is not tried."""

    trials: int
    tune: int
    report: int
    width: int
    chat: bool
    requests: bool

    def tokens(self, methods: Sequence[Method]) -> tuple[int, int]:
        """Return tokens read and written; every text that is written begins with its prompt, which is read."""
        tune, neutral, others = self.tune, min(self.tune, NEUTRAL), len(set(methods) - {"surgery"})
        kept_answers = OWN_ANSWERS * (REQUEST + SHORT) if self.requests and self.chat else 0
        last = min(self.trials + others, LAST)
        halved = self.trials + others > LAST
        better = (others + (-(-self.trials // 3) + 1 if self.trials else 0)) if halved else 0
        first = (self.trials + others) * (READ + 2 * PAIRS + SIDE_BY_SIDE * READ // 2) * TEXT if halved else 0
        looked = EVALUATIONS * (
            better * (neutral * TEXT + kept_answers) // FEW + last * (neutral * TEXT + kept_answers)
        )
        harmless = (2 if self.requests else 0) * tune if self.chat else 0  # harmless requests at every point
        base = tune + harmless * 3 // 2  # and harmful ones, of the base
        confirmed_requests = 3 * self._kept  # base and two strengths
        texts = min(SCREENED * tune, PROMPTS) + base + 6 * self.report
        texts += 0 if self.requests else 2 * TWICE * OTHERS
        texts += better * len(DOSES) * (tune + harmless) // FEW + last * len(SHARES) * (tune + harmless)
        long = 2 * (self.report if self.requests else min(self.report, ANSWERED)) * KINDS if self.chat else 0
        written = SHORT * (texts + confirmed_requests) + LONG * long + (OWN_ANSWERS * SHORT if kept_answers else 0)
        read = self._probes + first + looked + 3 * neutral * TEXT + 3 * self.report * TEXT
        return read + PROMPT * texts + REQUEST * (confirmed_requests + long), written

    @property
    def _kept(self) -> int:
        """Requests whose answers confirm a choice."""
        if not self.chat:
            return 0
        return KINDS * (self.tune if self.requests else min(self.tune, ANSWERED))

    @property
    def _probes(self) -> int:
        """Tokens that fit and rank for surgery."""
        if not self.trials:
            return 0
        probes = (HELD_OUT + PORTION) * TEXT + max(KEEP_TOKENS, KEEP_WIDTHS * self.width) + PORTION // 2 * TEXT
        return probes + BACKWARD * (2 * CONTRASTS * TEXT + RANK_TOKENS)


def _trained(methods: Sequence[Method], answers: bool) -> tuple[int, int]:
    """Return tokens read and written to make the patches of other methods than surgery; `answers`: that some are kept."""
    answer, read, written = REQUEST + TEXT, 0, 0
    if "policy_gradient" in methods:
        read += OPENINGS * SAMPLES * PROMPT + BACKWARD * (LEARNED * (PROMPT + SHORT) + SHARP_TOKENS) + SHARP_TOKENS
        written += OPENINGS * SAMPLES * SHORT
        if answers:
            read, written = read + (PLAIN + RISKY) * (2 * REQUEST + WRITTEN), written + (PLAIN + RISKY) * WRITTEN
    if "natural_gradient" in methods:
        read += BACKWARD * (2 * GRADIENT_CONTRASTS * TEXT + SHARP_TOKENS) + SHARP_TOKENS
    if "dinm" in methods:
        requests = HELD + CHOOSING + CHECKED
        step = HELD * (REQUEST + WRITTEN) + INSTANCES * answer
        read += (
            BACKWARD * (TRIED * LOOK + STEPS) * step
            + TRIED * HALVINGS * INSTANCES * answer
            + REQUEST * (requests + 3 * CHECKED)
        )
        written += WRITTEN * (requests + CHECKED)
    if "set" in methods:
        read += BACKWARD * 2 * MASK_EXAMPLES * answer
        read += SET_STEPS * (BACKWARD * SET_BATCH * answer + (BACKWARD + 1) * KEPT * KEPT_TOKENS)
        held = HELD + CHOOSING + CHECKED + DANGEROUS
        read, written = read + REQUEST * held, written + WRITTEN * held
    if {"steering", "ablation"} & set(methods):
        read += TEXTS * answer
    return read, written
