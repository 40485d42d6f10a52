"""suture eval --doses: figures at several strengths, as bars and in the report."""

import pytest

from suture.cli._strength_sweep import strengths
from suture.errors import UsageError

GIVEN = ("--patch", "patch.safetensors", "--texts", "texts.txt", "--prompts", "prompts.txt", "--chat", "--size", "2")


def test_a_curve_is_measured_printed_and_drawn(command, folder, tmp_path):
    words = ("--doses", "1,-0.5,0.5,0", "--target", "complied", "--no-controls")
    done = command("eval", "patient", *GIVEN, *words, "--out", tmp_path / "found", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    doses = done.json["doses"]
    assert list(doses) == ["-0.5", "0", "0.5", "1"]
    assert all(set(found) == {"complied", "perplexity"} for found in doses.values())
    assert doses["0"] == {name: done.json["base"][name] for name in doses["0"]}
    assert doses["1"]["perplexity"] == pytest.approx(done.json["patched"]["perplexity"], rel=1e-3)
    assert doses["-0.5"]["perplexity"] != doses["0.5"]["perplexity"]
    assert "Dose and response" in done.stderr
    page = (tmp_path / "found" / "report.html").read_text()
    assert "At other strengths" in page
    assert "dose-response" in page


def test_mistakes_are_said(command, folder):
    done = command("eval", "patient", *GIVEN, "--target", "tone", cwd=folder)
    assert done.returncode == 2
    assert "does not measure 'tone'" in done.stderr
    for words in ("a", "1,nan", "1;2"):
        with pytest.raises(UsageError, match="no strengths"):
            strengths(words)
    assert strengths(" 1, 0.5,0,1 ") == [0.5, 1.0]
    assert strengths("") == []
