"""What reaching a goal will read, write and hold, from a model's config alone: nothing is loaded.

    peak = process + file + weights + predictions kept + max(generation, ranking, reading)
    generation: rows * tokens * layers * 2 * d_kv + 5 rows * vocabulary     keys and values, and what is made of the logits
    ranking:    tokens * (4 vocabulary + layers * (6 d_model + 3 d_ff))     a graph for gradients
The counts of tokens are those of bundled texts; how often a budget is looked for is not known before, and taken from experience.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..locate._probes import KEEP_TOKENS, KEEP_WIDTHS, PORTION
from ..locate.effect_rows import TOKENS
from ..metrics.drift import BUDGET
from ..model.load.loading import read_config
from ..model.load.named import model_folder
from ..model.run.batches import BATCH_TOKENS, tokens_with_logits
from ..model.run.generation import ROWS
from ..search.bracket import SIDE_BY_SIDE
from .factory import CONTRASTS, RANK_TOKENS
from .measures import LONG, PAIRS, SCREENED, SHORT
from .plan import Plan
from .resolve import ANSWERED, NEUTRAL
from .rungs import FEW, LAST, READ

TEXT = 45  # tokens of a labelled or neutral text
PROMPT, REQUEST = 26, 60  # tokens of a prompt, and of a request in its template
HELD_OUT = 67  # labelled texts that score a probe
EVALUATIONS = 7  # strengths by which a budget is found, as measured
KINDS = 3  # of requests whose answers are kept
BACKWARD = 3  # a pass with gradients costs so many without
PROMPTS = 120  # in a bundled split


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
    plan: Plan, *, trials: int, tune: int, report: int, chat: bool, requests: bool = False
) -> GoalForecast:
    """Forecast a goal on a model of the world outside, with surgery alone.

    Args:
        plan: of the model, see `plan`.
        trials: settings tried.
        tune: prompts a measure while settings are chosen.
        report: prompts a measure in the report.
        chat: the model has a chat template, so that requests are asked.
        requests: the goal is about requests, whose answers are measured at every point.
    """
    config = read_config(plan.model, model_folder(plan.model)).get_text_config()
    vocabulary, width, layers = int(config.vocab_size), int(config.hidden_size), int(config.num_hidden_layers)
    inner = int(getattr(config, "intermediate_size", None) or 4 * width)
    heads = int(config.num_attention_heads)
    kv = int(getattr(config, "num_key_value_heads", None) or heads) * int(
        getattr(config, "head_dim", None) or width // heads
    )
    read, written = _tokens(trials, min(tune, PROMPTS), min(report, PROMPTS), width, chat=chat, requests=requests)
    item = max(1, plan.weights // max(plan.parameters, 1))
    rows = min(ROWS, SIDE_BY_SIDE * tune)
    length = (REQUEST + LONG) if requests else (PROMPT + SHORT)
    generation = item * rows * length * layers * 2 * kv + 4 * 5 * rows * vocabulary
    ranking = item * tokens_with_logits(vocabulary, TOKENS, 2) * (4 * vocabulary + layers * (6 * width + 3 * inner))
    reading = 4 * 3 * tokens_with_logits(vocabulary) * vocabulary + plan.work * PORTION * TEXT // BATCH_TOKENS
    kept = 3 * 4 * min(BUDGET, min(tune, NEUTRAL) * TEXT * vocabulary)
    peak = plan.process + plan.read + plan.weights + kept + max(generation, ranking, reading)
    operations = plan.operations_a_token * (read + written)
    rate = plan.operations / plan.seconds if plan.seconds else None
    return GoalForecast(read, written, operations, operations / rate if rate else None, peak)


def _tokens(trials: int, tune: int, report: int, width: int, *, chat: bool, requests: bool) -> tuple[int, int]:
    """Return tokens read and written; every text that is written begins with its prompt, which is read."""
    neutral, answers_kept = min(tune, NEUTRAL), min(tune, ANSWERED) * KINDS if chat else 0
    last, better = min(trials, LAST), 0 if trials <= LAST else -(-trials // 3) + 1
    probes = (HELD_OUT + PORTION) * TEXT + max(KEEP_TOKENS, KEEP_WIDTHS * width) + PORTION // 2 * TEXT
    ranking = BACKWARD * (2 * CONTRASTS * TEXT + RANK_TOKENS)
    first = trials * (READ + 2 * PAIRS + SIDE_BY_SIDE * READ // 2) * TEXT if better else 0
    looked = EVALUATIONS * TEXT * (better * neutral // FEW + last * neutral)
    confirmed = 3 * neutral * TEXT
    shown = 3 * report * TEXT
    point = tune + (answers_kept if requests else 0)
    texts = min(SCREENED * tune, PROMPTS) + tune + better * 2 * point // FEW + last * 3 * point + 6 * report
    answers = 3 * answers_kept  # base and two strengths confirm a choice
    long = 2 * (report if requests else min(report, ANSWERED)) * KINDS if chat else 0
    written = SHORT * (texts + answers) + LONG * long
    read = probes + ranking + first + looked + confirmed + shown + PROMPT * texts + REQUEST * (answers + long)
    return read, written
