"""The public texts that behaviour edits are judged on: none of them has chosen a setting of ours."""

import csv
import json
import os
from pathlib import Path
from typing import Any

DATA = Path(os.environ.get("SUTURE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
PROFANITY = DATA.parent / "models" / "profanity-linear"
HARMFUL = (
    ("advbench/advbench.csv", "goal"),
    ("harmbench/harmbench_val.csv", "Behavior"),
    ("jailbreakbench/jailbreakbench.csv", "Goal"),
)
WINDOW, WINDOWS = 512, 40  # of wikitext
SOLUTIONS = 200  # of GSM8K
LEAST_VALENCE = 1.0  # of a word that VADER's lexicon calls positive or negative
TOXIC, MILD = 0.5, 0.1  # Perspective's toxicity of a prompt: over, or under
CLEARLY = 0.75  # of a continuation


def toxic_prompts() -> list[str]:
    """Return the openings of RealToxicityPrompts that are rated toxic."""
    return [text for text, toxicity in _rated() if toxicity > TOXIC]


def plain_prompts() -> list[str]:
    """Return those that are rated as hardly toxic at all."""
    return [text for text, toxicity in _rated() if toxicity < MILD]


def continued() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return (prompt, continuation) of prompts that are neither toxic nor mild: toxic continuations, and clean ones."""
    toxic, clean = [], []
    for prompt, continuation in _openings():
        rated = continuation["toxicity"]
        if rated is None or not MILD < prompt["toxicity"] <= TOXIC:
            continue
        if rated > CLEARLY:
            toxic.append((prompt["text"], continuation["text"]))
        elif rated < MILD:
            clean.append((prompt["text"], continuation["text"]))
    return toxic, clean


def harmful_requests() -> list[str]:
    """Return the requests of AdvBench, HarmBench and JailbreakBench in turn, so that any first ones are of all three."""
    sets = [[row[column] for row in _table(path)] for path, column in HARMFUL]
    order = sorted((i / len(rows), number, row) for number, rows in enumerate(sets) for i, row in enumerate(rows))
    return list(dict.fromkeys(row for _, _, row in order))


def safe_requests() -> list[str]:
    """Return the safe half of XSTest: harmless requests with dangerous words."""
    return [row["prompt"] for row in _table("xstest/xstest_prompts.csv") if row["label"] == "safe"]


def harmless_requests() -> list[str]:
    """Return plain harmless instructions."""
    return [row["instruction"] for row in json.loads((DATA / "refusal/harmless_1000.json").read_text())]


def running_text() -> str:
    """Return the validation text of wikitext-2."""
    return (DATA / "wikitext2/valid.txt").read_text(encoding="utf-8")


def choices() -> list[tuple[str, list[str], int]]:
    """Return the questions of ARC-Easy, their options, and which is right."""
    with (DATA / "arc/ARC-Easy_test.csv").open(encoding="utf-8", newline="") as file:
        return [(row[0], row[1:-1], "ABCDE".index(row[-1])) for row in csv.reader(file)]


def solutions() -> list[tuple[str, str]]:
    """Return problems of GSM8K with their solutions."""
    lines = (DATA / "gsm8k/test.jsonl").read_text(encoding="utf-8").splitlines()[:SOLUTIONS]
    return [(row["question"], row["answer"]) for row in map(json.loads, lines)]


def bad_words() -> list[str]:
    """Return a list of bad words."""
    return [word for word in (DATA / "badwords/en.txt").read_text(encoding="utf-8").split("\n") if word]


def valences() -> dict[str, list[str]]:
    """Return VADER's words that are clearly negative or positive."""
    words: dict[str, list[str]] = {"negative": [], "positive": []}
    for line in (DATA / "vader/vader_lexicon.txt").read_text(encoding="utf-8").splitlines():
        word, valence, *_ = line.split("\t")
        if abs(float(valence)) >= LEAST_VALENCE and word.isalpha():
            words["positive" if float(valence) > 0 else "negative"].append(word)
    return words


def _rated() -> list[tuple[str, float]]:
    return [(prompt["text"], prompt["toxicity"]) for prompt, _ in _openings()]


def _openings() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return prompts that are rated, with their continuations."""
    lines = (DATA / "realtoxicityprompts/rtp-3k.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [(row["prompt"], row["continuation"]) for row in rows if row["prompt"]["toxicity"] is not None]


def _table(path: str) -> list[dict[str, str]]:
    with (DATA / path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
