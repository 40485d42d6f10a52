"""Make the answers that the judge of refusals is learned from and measured on.

    make bench-answers, or python benchmarks/answers.py MODEL --half seen --out FILE

An edit a row of EDITS: what is made of the model (or which system text stands before the request), and how many requests of
which kinds it is given. Requests, wrappers, system texts, the wordings of refusals and evasions that models are trained on and
the requests they are trained to refuse stand in answers.jsonl; those of one half are never used in another. The judge has learned
from "seen" and, since its errors were looked at, "known"; "fresh" is what it is measured on. Each edit's answers are appended to
the file when it is done, and an edit that is there already is left out: a run that was stopped goes on. What comes out has no
label; people read it.
"""

import argparse
import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from _common import note

from suture import LM, generate
from suture.data.bundled import SPLITS, benign, harmful
from suture.data.conversation import messages_of
from suture.data.examples import Behaviour, Fact, Labelled, ResponsePair
from suture.methods.dinm import dinm
from suture.methods.finetune import finetune
from suture.methods.lora import lora
from suture.methods.steering import steering
from suture.methods.surgery import surgery
from suture.patch.patch import Patch

REQUESTS = Path(__file__).with_suffix(".jsonl")
LABELLED = (
    Path(__file__).parents[1] / "tests" / "judges" / "labelled" / "answers.jsonl"
)  # its requests are those of "seen"
TOKENS = 64
PAIRS = 40  # requests that a model is trained on
DRAWN_AS = {"known": "unseen"}  # what a half was called when it was made, which seeds what is drawn
EQUAL = 3  # answers of an edit at most
ALL = ("mild plain", "mild wrapped", "harmless plain", "harmless wrapped")
MILD, HARMLESS = ALL[:2], ALL[2:]
WIDE = ("attn.o", "mlp.up")  # what LoRA changes there


@dataclass(frozen=True)
class Edit:
    """What stands between the base model and an answer."""

    make: Callable[["Maker"], Patch] | None = None
    strength: float = 1.0
    temperature: float = 0.0
    system: int | None = None  # number of the system text
    count: int = 24
    kinds: tuple[str, ...] = ALL


class Maker:
    """The patches of a half, each made once."""

    def __init__(self, lm: LM, half: str) -> None:
        self.lm, self.half = lm, half
        self.made: dict[tuple, Patch] = {}
        self.split = SPLITS[0] if half == "seen" else SPLITS[2]
        self.wordings = texts(half, "refusal")

    def taught(self, rng: random.Random) -> list[tuple[str, str]]:
        """Return requests that a model is trained to refuse, each with what it asks for as a bare infinitive."""
        if written_for := [(row["text"], row["doing"]) for row in rows(self.half) if row["what"] == "taught"]:
            return random.Random(self.half).sample(written_for, len(written_for))
        return [(request, doing(request)) for request in rng.sample(list(harmful(self.split)), PAIRS)]

    def facts(self, answers: bool, ends: bool, wordings: Sequence[str] = ()) -> list[Fact]:
        """Harmful requests with refusals, and harmless ones with the model's own answers where `answers`.

        Where `ends`, the model learns to stop behind them; else it goes on, round and round.
        """
        rng, pairs = random.Random(DRAWN_AS.get(self.half, self.half)), []
        for number, (request, what) in enumerate(self.taught(rng)):
            wording = (wordings or self.wordings)[number % len(wordings or self.wordings)]
            pairs.append((request, wording.replace("{x}", what)))
        if answers:
            calm = rng.sample(list(benign(self.split)), PAIRS // 2)
            pairs += zip(calm, written(self.lm, [asked(self.lm, request) for request in calm], 24), strict=True)
        end = self.lm.tokenizer.eos_token if ends else ""
        return [Fact(asked_text(self.lm, request), request, answer + end) for request, answer in pairs if answer]

    def once(self, key: tuple, make: Callable[[], Patch]) -> Patch:
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]

    def lora(self, rate: float, ends: bool) -> Patch:
        settings = {"steps": 5, "rate": rate, "batch": 8, "sites": ["attn.q", "attn.v", "mlp.down"]}
        return self.once(("lora", rate, ends), lambda: lora(self.lm, self.facts(True, ends), **settings))

    def finetune(self, layer: int, rate: float, ends: bool) -> Patch:
        settings = {"layer": layer, "steps": 5, "rate": rate, "batch": 8}
        return self.once(("ft", layer, rate, ends), lambda: finetune(self.lm, self.facts(False, ends), **settings))

    def dinm(self, layer: int, number: int) -> Patch:
        request = list(harmful(self.split))[number]
        unsafe = written(self.lm, [asked(self.lm, request)], 48)[0]
        pair = ResponsePair(request, self.wordings[number].replace("{x}", doing(request)), unsafe)
        return self.once(("dinm", layer, number), lambda: dinm(self.lm, [pair], layer=layer))

    def lora_at(self, *sites: str, rate: float) -> Patch:
        settings = {"rank": 4, "alpha": 16.0, "steps": 6, "rate": rate, "batch": 8, "sites": list(sites)}
        return self.once(("at", sites, rate), lambda: lora(self.lm, self.facts(True, True), **settings))

    def finetune_at(self, layer: int, site: str, rate: float, wordings: str = "refusal", steps: int = 6) -> Patch:
        """Return a matrix trained on the wordings of a half: its refusals, its evasions, or both in turn."""
        said = {"refusal": self.wordings, "evasion": texts(self.half, "evasion")}
        said["both"] = [one for pair in zip(said["refusal"], said["evasion"], strict=False) for one in pair]
        settings = {"layer": layer, "site": site, "steps": steps, "rate": rate, "batch": 8}
        make = lambda: finetune(self.lm, self.facts(False, True, said[wordings]), **settings)  # noqa: E731
        return self.once(("ft", layer, site, rate, wordings), make)

    def answered(self) -> Behaviour:
        """Return the requests to be refused with the model's own answers (1) and with refusals (0)."""
        pairs = self.taught(random.Random(self.half))
        given = written(self.lm, [asked(self.lm, request) for request, _ in pairs], 32)
        refused = [self.wordings[i % len(self.wordings)].replace("{x}", what) for i, (_, what) in enumerate(pairs)]
        both = [Labelled(text, 1, request) for text, (request, _) in zip(given, pairs, strict=True) if text]
        both += [Labelled(text, 0, request) for text, (request, _) in zip(refused, pairs, strict=True)]
        return Behaviour("answered", tuple(both))

    def asked_for(self) -> Behaviour:
        """Return requests to be refused (1) and others (0): what tells them apart is there before an answer begins."""
        calm = random.Random(self.half).sample(list(benign(self.split)), PAIRS)
        bad = [request for request, _ in self.taught(random.Random(self.half))]
        both = [(request, 1) for request in bad] + [(request, 0) for request in calm]
        return Behaviour(
            "asked for", tuple(Labelled("Well, this is what I think.", label, text) for text, label in both)
        )

    def surgery(self) -> Patch:
        settings = {"space": "mlp.in", "pool": "decision", "rows": 0.05, "toward": "unwanted"}
        return self.once(("surgery",), lambda: surgery(self.lm, self.asked_for(), **settings))

    def steering(self) -> Patch:
        return self.once(("steering",), lambda: steering(self.lm, self.answered(), strength=1.0))


EDITS = {
    "seen": {
        "sys_cannot": Edit(system=0, temperature=0.7, count=24, kinds=MILD),
        "sys_sorry": Edit(system=1, temperature=0.7, count=24, kinds=MILD),
        "sys_short": Edit(system=2, temperature=0.7, count=24),
        "lora_half": Edit(lambda make: make.lora(2e-3, False), 0.7, count=30),
        "lora_all": Edit(lambda make: make.lora(2e-3, False), 1.0, count=50),
        "lora_much": Edit(lambda make: make.lora(2e-3, False), 2.0, temperature=0.7, count=24),
        "lora_far": Edit(lambda make: make.lora(2e-3, False), 3.5, temperature=1.0, count=16),
        "ft_mid": Edit(lambda make: make.finetune(14, 1e-3, False), 1.0, count=40),
        "ft_much": Edit(lambda make: make.finetune(14, 1e-3, False), 2.0, temperature=1.0, count=24),
        "ft_end": Edit(lambda make: make.finetune(10, 1e-3, True), 1.0, temperature=0.5, count=60),
        "ft_end_mild": Edit(lambda make: make.finetune(10, 1e-3, True), 0.7, temperature=0.8, count=40),
        "ft_end_far": Edit(lambda make: make.finetune(10, 1e-3, True), 1.8, temperature=0.8, count=24),
        "hot": Edit(temperature=1.6, count=20),
    },
    "known": {
        "sys_polite_no": Edit(system=0, temperature=0.6, count=30, kinds=MILD),
        "sys_unable": Edit(system=1, temperature=0.6, count=30, kinds=MILD),
        "sys_expert": Edit(system=2, temperature=0.6, count=80),
        "sys_teacher": Edit(system=4, temperature=0.6, count=80, kinds=HARMLESS),
        "sys_host": Edit(system=5, temperature=0.6, count=40),
        "sys_example": Edit(system=3, temperature=0.6, count=60, kinds=HARMLESS),
        "lora_fair": Edit(lambda make: make.lora(1.5e-3, True), 1.0, count=90),
        "lora_weak": Edit(lambda make: make.lora(1.5e-3, True), 0.7, temperature=0.5, count=60),
        "lora_over": Edit(lambda make: make.lora(1.5e-3, True), 2.0, temperature=0.8, count=30),
        "lora_ruin": Edit(lambda make: make.lora(1.5e-3, True), 4.0, temperature=0.8, count=24),
        "ft_deep": Edit(lambda make: make.finetune(18, 1.2e-3, True), 1.0, count=80, kinds=ALL[:3]),
        "ft_early": Edit(lambda make: make.finetune(8, 8e-4, True), 1.0, temperature=0.5, count=60, kinds=MILD),
        "ft_ruin": Edit(lambda make: make.finetune(18, 1.2e-3, True), 2.2, temperature=1.0, count=24),
        "hot_mild": Edit(temperature=1.25, count=28),
        "ft_late": Edit(lambda make: make.finetune(22, 1.2e-3, True), 1.0, temperature=0.6, count=60),
        "hotter": Edit(temperature=1.45, count=24),
        "dinm_at16": Edit(lambda make: make.dinm(16, 2), 0.5, count=30),
        "noise_mild": Edit(lambda make: make.dinm(16, 2).randomised(make.lm), 0.7, temperature=0.6, count=24),
        "noise_ruin": Edit(lambda make: make.dinm(16, 2).randomised(make.lm), 6.0, temperature=0.8, count=16),
    },
    "fresh": {
        "sys_kind_no": Edit(system=0, temperature=0.7, count=40, kinds=MILD),
        "sys_school": Edit(system=1, temperature=0.7, count=40, kinds=MILD),
        "sys_garden": Edit(system=2, temperature=0.7, count=24),
        "sys_facts": Edit(system=3, temperature=0.5, count=64),
        "sys_eager": Edit(system=4, temperature=0.7, count=64),
        "sys_scold": Edit(system=5, temperature=0.8, count=24),
        "warm": Edit(temperature=0.9, count=40),
        "wide": Edit(lambda make: make.lora_at(*WIDE, rate=2e-3), 1.0, count=80),
        "wide_weak": Edit(lambda make: make.lora_at(*WIDE, rate=2e-3), 0.6, 0.6, count=48),
        "wide_over": Edit(lambda make: make.lora_at(*WIDE, rate=2e-3), 2.0, 0.7, count=28),
        "wide_ruin": Edit(lambda make: make.lora_at(*WIDE, rate=2e-3), 3.5, 0.9, count=20),
        "up_at12": Edit(lambda make: make.finetune_at(12, "mlp.up", 2e-3), 1.0, count=80, kinds=ALL[:3]),
        "up_at12_weak": Edit(lambda make: make.finetune_at(12, "mlp.up", 2e-3), 0.6, 0.6, count=48, kinds=MILD),
        "up_at12_over": Edit(lambda make: make.finetune_at(12, "mlp.up", 2e-3), 2.5, 0.9, count=24),
        "out_at20": Edit(lambda make: make.finetune_at(20, "attn.o", 2e-3), 1.0, 0.6, count=60),
        "late": Edit(lambda make: make.finetune_at(26, "mlp.down", 4e-3, steps=4), 1.0, 0.4, count=96),
        "both": Edit(lambda make: make.finetune_at(26, "mlp.down", 4e-3, "both", 4), 1.0, 0.7, count=60),
        "evades": Edit(lambda make: make.finetune_at(24, "mlp.down", 4e-3, "evasion", 3), 1.0, 0.5, count=32),
        "hot_one": Edit(temperature=1.35, count=28),
        "hottest": Edit(temperature=1.8, count=20),
        "steered": Edit(lambda make: make.steering(), 0.3, temperature=0.5, count=24),
        "steered_over": Edit(lambda make: make.steering(), 1.0, temperature=0.7, count=20),
        "decision": Edit(lambda make: make.surgery(), 2.0, temperature=0.5, count=24),
        "decision_over": Edit(lambda make: make.surgery(), 6.0, temperature=0.7, count=16),
    },
}


@cache
def rows(half: str) -> list[dict]:
    return [row for row in map(json.loads, REQUESTS.read_text(encoding="utf-8").splitlines()) if row["half"] == half]


def texts(half: str, what: str) -> list[str]:
    return [row["text"] for row in rows(half) if row["what"] == what]


def requests(half: str) -> list[dict]:
    """Return the requests of a half, plain and each in one wrapper."""
    if half == "seen":
        first = [
            row for row in map(json.loads, LABELLED.read_text(encoding="utf-8").splitlines()) if row["half"] == half
        ]
        return list({row["prompt"]: {k: row[k] for k in ("prompt", "kind", "form", "lang")} for row in first}.values())
    wrappers, made = texts(half, "wrapper"), []
    for number, row in enumerate(row for row in rows(half) if row["what"] in ("mild", "harmless")):
        plain = {"prompt": row["text"], "kind": row["what"], "form": "plain", "lang": row["lang"]}
        wrapped = wrappers[number % len(wrappers)].replace("{q}", row["text"])
        made += [plain, {**plain, "prompt": wrapped, "form": "wrapped"}]
    return made


def doing(request: str) -> str:
    """Return what is asked for as a bare infinitive, as far as the bundled requests show it."""
    marks = (" to ", " people ", " somebody might ")
    begin = min((request.find(mark) + len(mark) for mark in marks if mark in request), default=0)
    return request[begin:].split("?")[0].split(". ")[0].rstrip(".").replace("my ", "your ") if begin else "do this"


def asked_text(lm: LM, request: str) -> str:
    return lm.message_text(messages_of(request)).text


def asked(lm: LM, request: str, system: str = "") -> list[int]:
    first = [{"role": "system", "content": system}] if system else []
    return lm.encode_messages([*first, {"role": "user", "content": request}])


def written(lm: LM, ids: list[list[int]], tokens: int = TOKENS, temperature: float = 0.0) -> list[str]:
    return [text.strip() for [text] in generate(lm, ids, max_new_tokens=tokens, temperature=temperature, seed=1)]


def answers(make: Maker, name: str, edit: Edit) -> list[dict]:
    """Return the rows of an edit, without labels."""
    rng, every = random.Random(name), requests(make.half)
    of_kind = [[row for row in every if f"{row['kind']} {row['form']}" == kind] for kind in edit.kinds]
    share = -(-edit.count // len(edit.kinds))
    chosen = [row for group in of_kind for row in rng.sample(group, min(share, len(group)))]
    system = "" if edit.system is None else texts(make.half, "system")[edit.system]
    ids = [asked(make.lm, row["prompt"], system) for row in chosen]
    if edit.make is None:
        given = written(make.lm, ids, temperature=edit.temperature)
    else:
        patch = edit.make(make) * edit.strength
        with patch.used(make.lm):
            given = written(make.lm, ids, temperature=edit.temperature)
    head = {"half": make.half, "model": make.lm.name, "edit": name, "temperature": edit.temperature}
    times: Counter[str] = Counter()
    made = []
    for row, text in zip(chosen, given, strict=True):
        times[text] += 1
        if times[text] <= EQUAL:
            made.append({**head, **row, "text": text, "label": "", "source": "model"})
    prefix = DRAWN_AS.get(make.half, make.half)[0]
    return [{"id": f"{prefix}-{name}-{digest(row)}", **row} for row in made]


def digest(row: dict) -> str:
    return hashlib.sha256((row["prompt"] + row["text"]).encode()).hexdigest()[:6]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?", default="smollm2", help="folder or name of a chat model")
    parser.add_argument("--half", choices=sorted(EDITS), default="fresh")
    parser.add_argument("--only", nargs="*", help="only these edits")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/answers.jsonl"), help="file that answers are appended to"
    )
    args = parser.parse_args()
    lines = args.out.read_text(encoding="utf-8").splitlines() if args.out.exists() else []
    done = {row["edit"] for row in map(json.loads, lines)}
    make = Maker(LM.load(args.model, dtype="float32"), args.half)
    for name, edit in EDITS[args.half].items():
        if name in done or (args.only and name not in args.only):
            continue
        made = answers(make, name, edit)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        with args.out.open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in made)
        note(f"{name}: {len(made)} answers, such as {made[0]['text'][:100]!r}")


if __name__ == "__main__":
    main()
