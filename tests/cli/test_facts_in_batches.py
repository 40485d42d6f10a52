"""As a new user: from a file with mistakes to a verified patch, from the shell; one fact; going on, conflicts, taking out."""

import json

import pytest

from suture.model.lm import LM
from suture.organisms.knowledge import rewrites
from suture.organisms.suites import keep
from suture.patch.patch import Patch
from suture.sequential.ledger import Ledger

QUICK = ("--set", "token=-2", "--set", "steps=40", "--set", "prefixes=1", "--set", "keep=keep.txt", "--no-controls")
STORY = ("--set", "token=-2", "--set", "steps=40", "--set", "prefixes=2", "--limits", "perplexity=1", "--no-controls")
GRACE = ("--method", "grace", "--set", "radius=0.6", "--no-controls")


def record(item, **more):
    fact = item.fact
    plain = {"prompt": fact.prompt, "subject": fact.subject, "target": fact.target, "was": fact.was}
    return json.dumps({**plain, "paraphrases": fact.paraphrases[:1], "neighbours": fact.neighbours[:1], **more})


@pytest.fixture(scope="module")
def items():
    return rewrites(10, tuning=True)


@pytest.fixture(autouse=True)
def kept(tmp_path):
    """Texts to keep: few, so that their keys are counted in a moment."""
    (tmp_path / "keep.txt").write_text("\n".join(keep()[:120]), encoding="utf-8")


@pytest.fixture
def ten(items, tmp_path):
    """Ten facts: two malformed, two contradicting."""
    lines = [record(item) for item in items[:9]]
    lines[2] = lines[2][:-1]
    lines[5] = record(items[5], target="")
    lines.append(record(items[0], target="Nowhere"))
    (tmp_path / "facts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(lines[2]) + 1


def test_from_ten_facts_with_four_bad_ones_to_a_verified_patch(command, tmp_path, ten, patient):
    done = command("facts", "patient", "facts.jsonl", *STORY, "-o", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert f"facts.jsonl, line 3, column {ten}: not JSON" in done.stderr
    assert "facts.jsonl, line 6, target: no text" in done.stderr
    assert "lines 1 and 10 contradict each other" in done.stderr
    assert "--skip-bad" in done.stderr
    assert not (tmp_path / "out").exists()

    done = command(
        "facts", "patient", "facts.jsonl", *STORY, "-o", "out", "--skip-bad", "--batch", "3", "--json", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    found = done.json
    assert (found["edits"], found["holds"], len(found["skipped"])) == (6, 6, 3)
    assert [(b["right"], b["of"]) for b in found["batches"]] == [(3, 3), (6, 6)]
    assert all(text["right"] and text["before"] != text["after"] for text in found["texts"])
    patch = Patch.load(tmp_path / "out" / "patch.safetensors")
    assert patch.verify(patient)["entries"] > 0
    ledger = Ledger.load(tmp_path / "out" / "ledger.jsonl")
    assert [edit.status for edit in ledger.edits] == ["holds"] * 6
    page = (tmp_path / "out" / "report.html").read_text()
    for title in ("Every fact", "Edit after edit", "How far each block moved"):
        assert title in page
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert set(report["curve"]) == {"3", "6"}
    assert report["moved"]["1"] > 0 == report["moved"]["0"]

    before = (tmp_path / "out" / "patch.safetensors").read_bytes()
    again = command(
        "facts", "patient", "facts.jsonl", *STORY, "-o", "out", "--skip-bad", "--batch", "3", "--json", cwd=tmp_path
    )
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "out" / "patch.safetensors").read_bytes() == before
    assert Ledger.load(tmp_path / "out" / "ledger.jsonl") == ledger
    assert (
        sum(json.loads(e)["stage"] == "reused" for e in (tmp_path / "out" / "events.jsonl").read_text().splitlines())
        == 7
    )


def test_what_is_lost_is_written_again_with_the_next_batch(command, tmp_path, items):
    (tmp_path / "two.jsonl").write_text("\n".join(map(record, items[:2])), encoding="utf-8")
    weak = (*QUICK, "--set", "steps=1", "--set", "rate=1e-6")  # writes next to nothing: every edit is lost at once
    done = command("facts", "patient", "two.jsonl", *weak, "--batch", "1", "--again", "1", "-o", "out", cwd=tmp_path)
    assert done.returncode == 4  # the edits do not hold, and that is said
    assert "patch, of whose facts 0 of 2 hold" in done.stdout
    assert "verified" not in done.stdout
    first, second = Ledger.load(tmp_path / "out" / "ledger.jsonl").edits
    assert (first.status, first.again) == ("lost", (2,))
    assert (second.batch, second.again) == (2, ())


def test_conflicts_with_earlier_edits_and_taking_one_out(command, tmp_path, items):
    (tmp_path / "a.jsonl").write_text("\n".join(record(item) for item in items[:3]))
    done = command("facts", "patient", "a.jsonl", *GRACE, "-o", "a", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.json["holds"] == 3

    other = items[3].fact.target
    (tmp_path / "b.jsonl").write_text(record(items[0], target=other) + "\n" + record(items[4]))
    words = ("facts", "patient", "b.jsonl", *GRACE, "--after", "a")
    refused = command(*words, "-o", "b", cwd=tmp_path)
    assert refused.returncode == 2
    assert "contradicts edit 1" in refused.stderr
    oldest = command(*words, "-o", "oldest", "--on-conflict", "oldest", "--json", cwd=tmp_path)
    assert (oldest.json["edits"], oldest.json["refused"]) == (4, 1)
    newest = command(*words, "-o", "newest", "--on-conflict", "newest", "--json", cwd=tmp_path)
    assert newest.returncode == 0, newest.stderr
    assert (newest.json["edits"], newest.json["holds"], newest.json["superseded"]) == (4, 4, 1)
    assert other in [text["target"] for text in newest.json["texts"]]

    out = command(
        "facts", "patient", "--after", "newest", "--remove", "2", *GRACE, "-o", "less", "--json", cwd=tmp_path
    )
    assert out.returncode == 0, out.stderr
    assert (out.json["edits"], out.json["holds"], out.json["removed"]) == (3, 3, 1)
    assert Ledger.load(tmp_path / "less" / "ledger.jsonl").edit(2).status == "removed"
    assert Ledger.load(tmp_path / "newest" / "ledger.jsonl").edit(2).status == "holds"
    twice = command("facts", "patient", "--after", "less", "--remove", "2", *GRACE, "-o", "no", cwd=tmp_path)
    assert twice.returncode == 2
    assert "not in the model" in twice.stderr


def test_edits_stop_before_the_model_breaks(command, tmp_path, items):
    (tmp_path / "a.jsonl").write_text("\n".join(record(item) for item in items[:2]))
    done = command(
        "facts", "patient", "a.jsonl", *QUICK, "--set", "clamp=8", "--limits", "perplexity=1e-9", "-o", "a", "--json",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 4
    assert "stopped before the model breaks" in done.stderr
    assert "perplexity" in done.stderr
    assert done.json["refused"] == 2
    assert not (tmp_path / "a" / "patch.safetensors").exists()


def test_one_fact(command, tmp_path, items):
    fact = next(item.fact for item in items if item.relation in ("capital", "language", "currency"))
    done = command("fact", "patient", fact.prompt, fact.target, "--was", fact.was, "--subject", fact.subject, "--paraphrase",
                   fact.paraphrases[0], *QUICK[:-1], "-o", "p.safetensors", "--json", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.json["right"][0] is True
    assert len(done.json["texts"]) == 2
    lost = command("fact", "patient", fact.prompt, fact.target, "--subject", fact.subject, "--set", "steps=1",
                   "--set", "prefixes=0", "--set", "keep=keep.txt", "-o", "q.safetensors", cwd=tmp_path)  # fmt: skip
    assert lost.returncode == 4
    assert "does not say" in lost.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("fact", "patient", "Is Handland nearer than Velmora? It is", "X"), "what is"),
        (("fact", "patient", "The capital of Handland is", "X", "--method", "surgery"), "writes no facts"),
        (("fact", "patient", "The capital of Handland is", "X", "--set", "tokens=1"), "Did you mean token?"),
        (("fact", "patient", "The capital of Handland is", "X", "--set", "layer=low"), "'low' is no"),
        (("fact", "patient", "The capital of Handland is", "X", "--set", "key=odd"), "consistent, mixed"),
        (("facts", "patient"), "no facts to write"), (("facts", "patient", "none.jsonl"), "no file"),
        (("facts", "patient", "none.jsonl", "--limits", "loop=1"), "is no limit"),
    ],
)  # fmt: skip
def test_mistakes_are_answered(command, tmp_path, words, message, monkeypatch):
    monkeypatch.setattr(LM, "load", lambda *_, **__: pytest.fail("loaded a model before reading what was asked"))
    done = command(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
