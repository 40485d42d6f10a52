"""The flow where nothing is convenient: no terminal, closed standard input, no colour, 80 columns, odd paths."""

import json
import os
import subprocess
import sys

import pytest

CLOSED = (  # a shell would write `<&-`
    "import os, sys\nos.close(0)\n"
    "os.execv(sys.executable, [sys.executable, '-c', 'from suture.cli.main import run; run()', *sys.argv[1:]])"
)


@pytest.fixture
def closed(tmp_path):
    def call(*words, **env):
        clean = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
        return subprocess.run(
            [sys.executable, "-c", CLOSED, *map(str, words)],
            capture_output=True,
            cwd=tmp_path,
            env={**clean, "NO_COLOR": "1", "COLUMNS": "80", "LINES": "24", **env},
        )

    return call


def test_the_flow_works_without_terminal_input_or_colour(command, folder, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    flow = [
        ("probe", "patient", "--data", "tone data.jsonl", "--space", "final", "-o", "Prüfung 1/p ö.safetensors"),
        ("locate", "probe_rows", "patient", "--probe", "Prüfung 1/p ö.safetensors", "--rows", "5", "-o", "die Stelle"),
        (
            "edit", "surgery", "patient", "--data", "tone data.jsonl", "--probe", "Prüfung 1/p ö.safetensors",
            "--region", "die Stelle/region.safetensors", "--strength", "3", "--prompt", "Grüß dich,", "-o", "schön böse",
        ),
        ("show", "schön böse/patch.safetensors"),
        (
            "eval", "patient", "--patch", "schön böse/patch.safetensors", "--texts", "texts.txt", "--no-controls",
            "-o", "der Bericht",
        ),
        ("show", "der Bericht/report.json"),
        ("chat", "patient", "--patch", "schön böse/patch.safetensors"),
        ("runs", "."),
    ]  # fmt: skip
    for words in flow:
        done = command(*words, cwd=folder, stdin=None)
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout + done.stderr
        told = [line for line in done.stdout.splitlines() if not line.startswith(("  ", "wrote", "next"))]
        assert not [line for line in told if len(line) > 80]
    assert (folder / "der Bericht/report.html").is_file()
    assert "schön böse" in done.stdout


def test_a_process_with_closed_input_and_ascii_locale_works(closed, folder):
    done = closed("show", folder / "patch.safetensors", "--json", LC_ALL="C", PYTHONUTF8="0")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.decode().splitlines()[-1])["format"] == "suture.patch/1"


def test_output_into_a_closed_pipe_is_no_error(folder):
    words = f"'{sys.executable}' -c 'from suture.cli.main import run; run()' show patch.safetensors | head -0"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", words], cwd=folder, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert "error" not in done.stderr


@pytest.mark.parametrize("verb", ["eval", "check"])
@pytest.mark.parametrize("there", ["report.json", "report.html", "a file"])
def test_where_a_report_can_not_be_written_is_said_before_anything_is_measured(
    command, folder, tmp_path, monkeypatch, verb, there
):
    monkeypatch.setattr("suture.model.lm.LM.load", lambda *_, **__: pytest.fail("the model was loaded"))
    out = tmp_path / "out"
    if there == "a file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / there).write_text("mine")
    (folder / "spec.yaml").write_text(
        "model: patient\npatches: [patch.safetensors]\ntexts: texts.txt\ngates: [{measure: drift, max: 1}]\n"
    )
    words = {"eval": ("patient", "--patch", "patch.safetensors", "--texts", "texts.txt"), "check": ("spec.yaml",)}[verb]
    done = command(verb, *words, "-o", out, cwd=folder)
    assert done.returncode == 2
    assert str(out) in done.stderr


def test_a_report_without_a_patch_is_refused_at_once(command, folder, tmp_path):
    done = command("eval", "patient", "--texts", "texts.txt", "-o", tmp_path / "out", cwd=folder)
    assert (done.returncode, "--patch" in done.stderr) == (2, True)
