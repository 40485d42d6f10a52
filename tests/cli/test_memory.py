"""A memory from the command line: made, listed, talked to, forgotten, and written into the weights."""

import json

import pytest

from suture.measure.evaluation import observe, values
from suture.measure.suites.facts import fact_suite
from suture.memory import Memory
from suture.methods.grace import grace
from suture.organisms.knowledge import rewrites
from suture.organisms.suites import keep
from suture.patch.patch import Patch


@pytest.fixture(scope="module")
def facts():
    return [item.fact for item in rewrites(14, tuning=True)]


def write(path, facts):
    names = ("prompt", "subject", "target", "paraphrases", "neighbours")
    rows = [{name: getattr(fact, name) for name in names} for fact in facts]
    path.write_text("\n".join(map(json.dumps, rows)))


def test_a_memory_is_made_grown_shown_and_forgets(command, tmp_path, facts):
    write(tmp_path / "some.jsonl", facts[:2])
    write(tmp_path / "more.jsonl", facts[2:3])
    write(tmp_path / "others.jsonl", facts[3:])
    done = command("memory", "add", "patient", "m.safetensors", "--facts", "some.jsonl", "--choose", "others.jsonl", "--json",
                   cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.json["reach"]["recall"] > 0.8
    assert 0 < done.json["reach"]["reach"] < 1
    assert command("memory", "add", "patient", "m.safetensors", "--facts", "more.jsonl", cwd=tmp_path).returncode == 0
    listed = command("memory", "show", "m.safetensors", cwd=tmp_path)
    assert all(fact.target in listed.stdout for fact in facts[:3])
    assert "were recognised" in listed.stdout
    changed = command(
        "memory", "add", "patient", "m.safetensors", "--facts", "more.jsonl", "--reach", "1", cwd=tmp_path
    )
    assert changed.returncode == 2
    said = command("chat", "patient", "--memory", "m.safetensors", "--prompt", facts[0].prompt, "--temperature", "0", "--raw",
                   "--tokens", "6", "--json", cwd=tmp_path)  # fmt: skip
    assert said.returncode == 0, said.stderr
    (turn,) = said.json["turns"]
    assert turn["base"].startswith(facts[0].was)
    assert turn["patched"] is not None
    assert command("memory", "forget", "m.safetensors", "0", "2", cwd=tmp_path).returncode == 0
    assert [fact.prompt for fact in Memory.load(tmp_path / "m.safetensors").facts] == [facts[1].prompt]
    assert command("memory", "forget", "m.safetensors", "5", cwd=tmp_path).returncode == 2


def test_a_memory_is_measured_beside_the_weights(command, tmp_path, facts, patient):
    """`suture eval --memory` asks for its facts with and without it, as attaching it does."""
    kept = Memory.of(patient, facts[:2], reach=0.5, template="{facts}\n{prompt}")
    kept.save(tmp_path / "m.safetensors")
    done = command("eval", "patient", "--memory", "m.safetensors", "--no-controls", "-o", "out", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    measures = fact_suite(kept.facts)
    with kept.attached(patient):
        assert done.json["patched"] == pytest.approx(values(observe(patient, measures), measures))
    assert done.json["base"] != done.json["patched"]
    assert done.json["base"]["old_object"] == 1
    assert "memory" in (tmp_path / "out" / "report.html").read_text()


def test_a_codebook_goes_into_the_weights(command, tmp_path, facts, patient):
    grace(patient, facts[:1], radius=0.6).save(tmp_path / "book.safetensors")
    (tmp_path / "keep.txt").write_text("\n".join(keep()[:120]))
    words = ("memory", "consolidate", "patient", "book.safetensors", "--set", "keep=keep.txt", "--set", "prefixes=1")
    done = command(*words, "--set", "token=-2", "--set", "steps=40", "-o", "out", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (done.json["moved"], done.json["kept"], done.json["served"]) == (1, 0, 1)
    assert "memory" not in done.json
    assert Patch.load(tmp_path / "out" / "patch.safetensors").verify(patient)["entries"] > 0
    nothing = command(*words, "--set", "steps=0", "-o", "none", cwd=tmp_path)
    assert nothing.returncode == 4
    assert "no fact could be written" in nothing.stderr
