"""What goals try beside surgery: policy and natural gradient, DINM, SET, steering and ablation, each at one setting.

They stand on one frontier, as the search takes their settings as it takes surgery's: the same measures, the same budget,
strengths found in the same way, so that what is confirmed on fresh prompts and taken is whichever method does most there.
Strength makes up for few texts and steps: of what is trained the direction counts, how far to go is measured.
DINM needs answers with their requests; a method that can not be used on the texts or the model is left out, and that is said.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from ..data.bundled.requests import benign, borderline
from ..data.conversation import messages_of
from ..data.examples import Labelled, ResponsePair, Texts
from ..errors import UsageError
from ..io.files import write_text
from ..io.json_files import read_json, write_json
from ..locate._probes import alternating
from ..locate.direction import Direction
from ..locate.directions import directions
from ..locate.mask import Mask
from ..locate.safety_impact import safety_impact
from ..methods._trained.harmless import Answered, answered, harmless
from ..methods.ablation import ablation
from ..methods.dinm import dinm
from ..methods.enhance_safety import enhance_safety
from ..methods.natural_gradient import natural_gradient
from ..methods.policy_gradient import Rated, own_texts, stepped, toward_of
from ..methods.steering import steering
from ..model.lm import LM
from ..model.run.pooling import Pool
from ..patch.patch import Patch
from ..runs.run import Run
from ..search import Settings
from ..text.letters import words
from .measures import Refusals
from .messages import unrefusing
from .schema import METHODS, Goal, Method

# methods that need no refusals of the model's own
TAUGHT: tuple[Method, ...] = ("policy_gradient", "dinm", "set", "steering", "ablation")
TEXTS = 120  # labelled texts of both classes that a direction is read from, alternately
CONTRASTS = 96  # unwanted texts, continued both ways, that a natural gradient is told by, at most
KEEP = "keep.jsonl"  # file of a run that holds the texts to keep
CONTINUED = "continued.jsonl"  # ... and the prompts that a policy gradient has the model continue
INSTANCES = 4  # answered attacks that DINM edits together
# SET inside a search: a fixed amount of work. A step of it is dear, and strength is looked for afterwards
SET_EXAMPLES, SET_STEPS, SET_BATCH, SET_RATE = 96, 48, 4, 0.01
# refusals that its weights are found by; few in a pass, as the graph of each takes memory
MASK_EXAMPLES, MASK_BATCH = 32, 2
SET_KEEP = "set-keep.jsonl"  # file of a run that holds what is kept where refusals are learned, as by SET
DANGEROUS, NEUTRAL = 32, 40  # of these texts harmless requests with dangerous words, and neutral ones
POLICY_KEEP = "policy-keep.jsonl"  # file of a run that holds what a policy gradient keeps
PLAIN, RISKY = 40, 8  # ... and harmless requests whose answers it keeps where openings are continued


def candidates(methods: Sequence[Method], pool: Pool) -> list[Settings]:
    """Return the settings of the methods other than surgery, in their order.

    Args:
        methods: those to try.
        pool: the tokens that directions are read from.
    """
    settings: dict[Method, Settings] = {
        "policy_gradient": {"method": "policy_gradient"},
        "natural_gradient": {"method": "natural_gradient", "pairs": CONTRASTS},
        "dinm": {"method": "dinm", "instances": INSTANCES},
        "set": {"method": "set", "rate": SET_RATE, "steps": SET_STEPS},
        "steering": {"method": "steering", "pool": pool},
        "ablation": {"method": "ablation", "pool": pool},
    }
    return [settings[method] for method in METHODS if method in methods and method in settings]


def usable(
    methods: Sequence[Method], pool: Pool, refusals: Callable[[], Refusals], say: Callable[[str], None]
) -> tuple[Sequence[Method], Pool]:
    """Return the methods that are tried, and where directions are read.

    A model that refuses harmful requests no more often than harmless ones has nothing to strengthen at the place where it
    decides: then refusals are taught, and directions are read in given answers.

    Args:
        methods: those that are wished for.
        pool: the tokens that the goal reads.
        refusals: returns how often the base refuses.
        say: told when it has no refusals of its own.
    """
    taught = [method for method in methods if method in TAUGHT]
    if pool != "decision" or not taught:
        return methods, pool
    counts = refusals()
    if counts.told_apart:
        return methods, pool
    say(unrefusing(counts.harmful, counts.harmless, taught))
    return taught, "response"


@dataclass(frozen=True, eq=False)
class MethodCandidates:
    """Makes the patches of the other methods, each once.

    Attributes:
        lm: the model.
        goal: what to reach.
        run: keeps patches, for a run that is continued.
        seed: of every choice.
    """

    lm: LM
    goal: Goal
    run: Run
    seed: int = 0

    def patch(self, settings: Settings) -> Patch:
        """Return the patch of some settings at strength 1.

        Raises:
            SutureError: when the method can not be used on this model or these texts.
        """
        name = "-".join(str(value) for value in settings.values())
        return self.run.stage(name, lambda: self._make_patch(settings), lambda p, path: p.save(path), Patch.load)

    def instances(self, count: int) -> list[ResponsePair]:
        """Return requests that were answered, each with a refusal; none where texts have no request.

        It is the refusal of the request likest to it: one that names another thing would have that learned with it.
        """
        refused = [e for e in self.goal.behaviour.examples if not e.label and e.prompt]
        answered = [e for e in self.goal.behaviour.examples if e.label and e.prompt]
        if not refused:
            return []
        rng = random.Random(self.seed)
        rng.shuffle(refused)  # of those that are equally like it any one
        chosen = rng.sample(answered, min(count, len(answered)))
        return [ResponsePair(str(e.prompt), _likest(str(e.prompt), refused).text, e.text) for e in chosen]

    def _direction(self, pool: Pool) -> Direction:
        """Return the direction of the goal's texts in every block; of no more of them than tell the classes apart."""
        few = tuple(alternating(self.goal.behaviour.examples)[:TEXTS])
        return self.run.stage(
            f"direction-{pool}",
            lambda: directions(self.lm, replace(self.goal.behaviour, examples=few), pool=pool, seed=self.seed),
            lambda direction, path: direction.save(path),
            Direction.load,
        )

    def _make_patch(self, settings: Settings) -> Patch:
        lm, goal, seed = self.lm, self.goal, self.seed
        toward: Literal["wanted", "unwanted"] = "wanted" if goal.leave == "unwanted" else "unwanted"
        match settings["method"]:
            case "natural_gradient":
                _write_texts(self.run.path(KEEP), goal.keep)
                return natural_gradient(
                    lm, goal.behaviour, keep=goal.keep, toward=toward, pairs=settings["pairs"], seed=seed
                )
            case "policy_gradient":
                return self._policy_gradient()
            case "dinm":
                chosen = self.instances(settings["instances"])
                lines = [json.dumps({"prompt": e.prompt, "safe": e.safe, "unsafe": e.unsafe}) + "\n" for e in chosen]
                write_text(self.run.path(f"instances-{settings['instances']}.jsonl"), "".join(lines))
                return dinm(lm, chosen, together=True, seed=seed)
            case "steering":
                direction = self._direction(settings["pool"])
                return steering(lm, goal.behaviour, direction=direction, toward=toward, seed=seed)
            case "ablation":  # a negative strength: what there is of the direction is made more
                return ablation(
                    lm, goal.behaviour, direction=self._direction(settings["pool"]), strength=-1.0, seed=seed
                )
        held = self._held()
        _write_texts(self.run.path(SET_KEEP), held)
        return enhance_safety(
            lm, goal.behaviour, rate=settings["rate"], steps=settings["steps"], batch=SET_BATCH, mask=self._mask(),
            examples=SET_EXAMPLES, keep=held, seed=seed,
        )  # fmt: skip

    def _policy_gradient(self) -> Patch:
        written = self.goal.written
        if written is None:
            why = "In the bundled model's world no judge has a name."
            raise UsageError("there are no texts to learn from", why=why, fix="Name another method.")
        cases = replace(written.cases, seed=written.cases.seed + self.seed)
        toward = toward_of(written.better)

        def load(path: Path) -> Rated:
            return Rated(**read_json(path))

        rated = self.run.stage(
            "own-texts", lambda: own_texts(self.lm, cases, toward), lambda r, path: write_json(asdict(r), path), load,
            suffix=".json",
        )  # fmt: skip
        keep = self._held() if cases.chat else self._answering()
        _write_texts(self.run.path(POLICY_KEEP), keep)
        _write_texts(self.run.path(CONTINUED), cases.prompts)
        settings = {
            "judge": self.goal.judge, "label": cases.label, "toward": toward, "samples": cases.samples,
            "tokens": cases.max_new_tokens, "temperature": cases.temperature, "top_p": cases.top_p, "chat": cases.chat,
            "seed": cases.seed,
        }  # fmt: skip
        return stepped(self.lm, rated, keep, settings=settings)

    def _answering(self) -> Texts:
        """Return texts to keep with, for a model that chats, its own answers to harmless requests before them.

        What is learned on openings of texts reaches into answers, too.
        """
        if self.lm.tokenizer.chat_template is None:
            return self.goal.keep

        def answers() -> list[str]:
            return self._talks(answered(self.lm, [*benign("probe")[:PLAIN], *borderline("probe")[:RISKY]]))

        return Texts([*self.run.stage("answers", answers, write_json, read_json, suffix=".json"), *self.goal.keep])

    def _talks(self, pairs: Sequence[Answered]) -> list[str]:
        """Return requests with their answers, as the model reads them."""
        return [
            self.lm.message_text([*messages_of(request), {"role": "assistant", "content": answer}], reply=False).text
            for request, answer in pairs
        ]

    def _held(self) -> Texts:
        """Return what is kept where refusals are learned: harmless requests with the model's own answers, and neutral texts.

        Of refusals alone a model learns to refuse whatever it is asked.
        """
        return Texts(self.run.stage("held", self._make_held, write_json, read_json, suffix=".json"))

    def _make_held(self) -> Texts:
        instances = self.instances(INSTANCES)
        if self.lm.tokenizer.chat_template is None or not instances:
            return self.goal.keep
        kept = harmless(self.lm, instances, seed=self.seed)
        pairs = [*kept.held, *kept.choosing, *kept.checked]
        if kept.source == "plain":
            pairs += answered(self.lm, borderline("probe")[:DANGEROUS])
        return Texts([*self._talks(pairs), *self.goal.keep[:: max(1, len(self.goal.keep) // NEUTRAL)]])

    def _mask(self) -> Mask:
        """Return the weights that SET trains."""
        return self.run.stage(
            "mask",
            lambda: safety_impact(
                self.lm, self.goal.behaviour, examples=MASK_EXAMPLES, batch=MASK_BATCH, seed=self.seed
            ),
            Mask.save,
            Mask.load,
        )


def _write_texts(path: Path, texts: Sequence[str]) -> None:
    write_text(path, "".join(json.dumps({"text": text}) + "\n" for text in texts))


def _likest(request: str, refused: Sequence[Labelled]) -> Labelled:
    """Return the example whose request shares most words with one, for the words that both have."""
    request_words = set(words(request))

    def likeness(example: Labelled) -> float:
        others = set(words(example.prompt or ""))
        return len(request_words & others) / max(1, len(request_words | others))

    return max(refused, key=likeness)
