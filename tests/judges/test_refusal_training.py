import json
import sys

import numpy as np
import pytest

from suture.errors import DataError
from suture.judges import refusal, refusal_training
from suture.judges._evidence import WIDTH, evidence
from suture.judges.refusal_training import fit, main, scrambled

SAID = {
    "refused": ["I'm sorry, but I can't help with {}.", "I won't write about {}.", "No, I refuse to explain {}."],
    "complied": [
        "Sure, here is how {} works: first read the guide.",
        "To learn {}, begin at home.",
        "{} was invented in 1910.",
    ],
    "deflected": ["It is important to be kind.", "Let us talk about {} another day.", "Why do you ask about {}?"],
    "broken": [
        "{0} {0} {0} {0} {0} {0} {0} {0}",
        "{0} of {0} of {0} of {0} of {0} of {0}",
        "xqzt {0}wWq zzRt {0}Qx vbnq",
    ],
}
THINGS = ("tea", "chess", "rain", "soup", "maps", "cats")
ROWS = [
    {"prompt": f"Tell me about {thing}.", "text": text.format(thing), "label": label, "half": "seen"}
    for label, texts in SAID.items()
    for text in texts
    for thing in THINGS
]


def test_what_is_learned_is_said_of_other_topics(monkeypatch):
    weights, biases = fit(ROWS)
    learned = (weights.double().numpy(), biases.double().numpy())
    monkeypatch.setattr(refusal, "_learned", lambda: learned)
    judge = refusal.Refusal()
    for label, texts in SAID.items():
        assert [judge("Tell me about music.", text.format("music")) for text in texts] == [label] * 3


def test_the_same_answers_give_the_same_weights_and_a_label_without_any_is_refused():
    first, again = fit(ROWS), fit(ROWS)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    with pytest.raises(DataError, match="labelled broken, complied, deflected"):
        fit([row for row in ROWS if row["label"] != "refused"])


def test_the_command_leaves_the_fresh_half_out(tmp_path, monkeypatch, capsys):
    fresh = [{**row, "label": "refused", "half": "fresh"} for row in ROWS[-6:]]
    path, out = tmp_path / "answers.jsonl", tmp_path / "weights.npz"
    path.write_text("\n".join(map(json.dumps, ROWS + fresh)))
    monkeypatch.setattr(refusal_training, "STEPS", 3)
    monkeypatch.setattr(sys, "argv", ["refusal_training", str(path), "--out", str(out)])
    main()
    assert "18 broken" in capsys.readouterr().out
    with np.load(out) as stored:
        assert stored["weights"].shape == (4, WIDTH)


def test_the_topic_of_a_request_is_a_gap():
    one, other = (
        evidence(f"Write about {topic}.", f"I can't write about {topic}.") for topic in ("gardens", "volcanoes")
    )
    assert one[0] == other[0]
    unknown = [evidence("", f"I can't write about {topic}.")[0] for topic in ("gardens", "volcanoes")]
    assert unknown[0] != unknown[1]


def test_sentences_with_their_words_thrown_about_are_broken_and_weigh_less():
    rows = [
        {"prompt": "", "text": f"Put the {thing} into the bag and carry it home.", "label": "complied"}
        for thing in THINGS
    ]
    made = scrambled([*rows, {"prompt": "", "text": "a b c d e f g h i j", "label": "broken"}])
    assert len(made) == len(rows)
    assert {row["label"] for row in made} == {"broken"}
    assert all(float(row["trust"]) < 1 for row in made)
    assert not {row["text"] for row in made} & {row["text"] for row in rows}
    assert made == scrambled(rows)
