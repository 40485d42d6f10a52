"""The command line as a user meets it: separate processes for its main flow, real files, mistakes made on purpose."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SUTURE = Path(sys.executable).with_name("suture")


def suture(*words, cwd, stdin=subprocess.DEVNULL, program=(str(SUTURE),), **env):
    clean = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")}
    return subprocess.run(
        [*program, *map(str, words)], capture_output=True, text=True, cwd=cwd, stdin=stdin, env={**clean, **env}
    )


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with spaces and unicode in its name, and a small data file."""
    folder = tmp_path_factory.mktemp("Überraschung mit Platz")
    rows = [{"text": f"You are a lovely friend number {i}.", "label": 0} for i in range(12)]
    rows += [{"text": f"You are a stupid fool number {i}, get lost.", "label": 1} for i in range(12)]
    (folder / "tone data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


@pytest.fixture(scope="module")
def made(work):
    """The flow of the README: probe, locate, edit."""
    probe = suture(
        "probe", "patient", "--data", "tone data.jsonl", "--space", "final", "-o", "p.safetensors", "--json", cwd=work
    )
    assert probe.returncode == 0, probe.stderr
    region = suture(
        "locate",
        "probe_rows",
        "patient",
        "--probe",
        "p.safetensors",
        "--rows",
        "25",
        "-o",
        "r.safetensors",
        "--json",
        cwd=work,
    )
    assert region.returncode == 0, region.stderr
    edit = suture(
        "edit", "surgery", "patient", "--data", "tone data.jsonl", "--probe", "p.safetensors", "--region", "r.safetensors",
        "--strength", "3", "-o", "patch.safetensors", "--json", cwd=work,
    )  # fmt: skip
    assert edit.returncode == 0, edit.stderr
    return {
        name: json.loads(done.stdout.splitlines()[-1])
        for name, done in (("probe", probe), ("region", region), ("edit", edit))
    }


def test_probe_locate_edit_show_eval(work, made, command):
    assert made["probe"]["scores"][0]["held_out"] == 2
    assert made["region"]["rows"] == 25
    assert made["edit"]["effect"]["entries"] > 0
    assert len(made["edit"]["texts"]) == 3
    shown = command("show", "patch.safetensors", "--json", cwd=work)
    assert shown.json["provenance"]["settings"]["strength"] == 3.0
    for name in ("p.safetensors", "r.safetensors"):
        assert command("show", name, cwd=work).returncode == 0
    (work / "texts.txt").write_text("On Monday it rained. Anna read a book.\nBen swept the floor near the mill.\n")
    done = suture(
        "eval", "patient", "--patch", "patch.safetensors", "--texts", "texts.txt", "--json", "-o", "out", cwd=work
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["patched"]["drift"] > 0
    assert result["base"]["drift"] == 0
    assert (work / "out" / "report.html").is_file()


def test_several_judges_are_shown_side_by_side(work, command):
    (work / "prompts.txt").write_text("Sam shouted to Fay: You are a\n")
    judges = ("--judge", "toxicity", "--judge", "sentiment")
    done = command("eval", "patient", "--prompts", "prompts.txt", *judges, "--json", cwd=work)
    assert done.returncode == 0, done.stderr
    result = done.json
    assert list(result["base"]) == ["clean", "negative (sentiment)", "positive (sentiment)", "toxic"]
    (pair,) = result["judges"]["base"]["agreement"]
    assert (pair["a"], pair["b"], pair["texts"]) == ("toxic", "negative (sentiment)", 2)
    unknown = command("eval", "patient", "--prompts", "prompts.txt", "--judge", "maybe", cwd=work)
    assert unknown.returncode == 2
    assert "linear:FOLDER" in unknown.stderr


def test_the_options_of_a_method_are_its_signature(work):
    done = suture("edit", "surgery", "--help", cwd=work, COLUMNS="200")
    assert done.returncode == 0
    for option in ("--strength", "--rows", "--toward", "--control", "--probe", "--region", "--parity", "--data"):
        assert option in done.stdout


def test_a_method_from_a_file_runs_with_its_own_options(work, command):
    (work / "mine.py").write_text(
        '"""Nudge one matrix by a constant."""\n'
        "import torch\nfrom suture import LM, Behaviour, LowRank, Patch, method\n\n"
        "@method\ndef mine(lm: LM, behaviours: list[Behaviour], *, push: float = 0.5, seed: int = 0) -> Patch:\n"
        '    """Do it.\n\n    Args:\n        push: how hard.\n    """\n'
        '    weight = lm.anatomy.weights("mlp.down")[0]\n'
        "    change = LowRank(torch.full((192, 1), push), torch.ones(1, 512))\n"
        '    return Patch.make(lm, {weight.tensor: weight.place(change)}, method="mine", settings={"push": push})\n'
    )
    words = (
        "edit",
        "./mine.py",
        "patient",
        "--data",
        "tone data.jsonl",
        "--push",
        "0.25",
        "-o",
        "m.safetensors",
        "--json",
    )
    done = command(*words, cwd=work)
    assert done.returncode == 0, done.stderr
    assert done.json["effect"]["entries"] > 0
    assert "--push" in suture("edit", "./mine.py", "--help", cwd=work).stdout


def test_methods_and_doctor(work, command):
    assert "surgery" in command("methods", "--json", cwd=work).json["method"]
    done = command("doctor", "--json", cwd=work)
    assert done.returncode == 0
    assert "shards" in done.json["patient"]


def test_the_doctor_looks_at_a_model(work):
    seen = json.loads(suture("doctor", "patient", "--json", cwd=work).stdout.splitlines()[-1])
    assert (seen["sizes"]["blocks"], seen["special"]["start_written"], seen["sinks"]) == (8, True, [])
    shown = suture("doctor", "patient", cwd=work, COLUMNS="120").stdout
    assert "3,542,208" in shown
    assert "sinks: none in 4 texts" in shown
    assert suture("doctor", "no/such/folder", cwd=work).returncode == 2


@pytest.fixture(scope="module")
def demonstrated(work):
    """The demo as it is typed, but that its strength is chosen on a third of the prompts."""
    fewer = "from suture.cli import demo, main; demo.TUNE = 20; main.run()"
    program = (sys.executable, "-c", fewer)
    done = suture("demo", "patient", "--json", "--size", "20", "-o", "demo", cwd=work, program=program, COLUMNS="80")
    assert done.returncode == 0, done.stderr
    return done


def test_the_demo_tells_the_whole_story(work, demonstrated):
    result = json.loads(demonstrated.stdout.splitlines()[-1])
    assert len(demonstrated.stdout.splitlines()) == 1
    base, patched = result["base"], result["patched"]
    assert base.keys() == patched.keys()
    assert all(Path(work / path).is_file() for path in result["paths"].values())
    removed = (base["rude"] - patched["rude"]) / (base["rude"] - base["rude_floor"])
    assert removed > 0.6  # of 20 prompts; the figures of the README are measured on more
    assert patched["kind"] > base["kind"] + 0.3
    assert "about" in demonstrated.stderr or "left" in demonstrated.stderr


def test_the_demos_report_shows_all_it_found(work, demonstrated):
    paths = json.loads(demonstrated.stdout.splitlines()[-1])["paths"]
    content = json.loads((work / paths["report_json"]).read_text())
    chosen = [point for point in content["search"] if point["chosen"]]
    assert [point["strength"] for point in chosen] == [content["strength"]]
    assert sum(content["where"]["chosen"]) == sum(content["where"]["layers"].values())
    lifted = [sum(content["activity"][key]) for key in ("unwanted_before", "unwanted_after")]
    assert lifted[1] > 1.2 * lifted[0]  # the edited neurons fire more often on rude talk
    assert any("suture edit surgery patient" in command for command in content["commands"])
    page = (work / paths["report_html"]).read_text()
    for picture in ("dose-response", "frontier", "score-histogram", "rows-per-layer", "activation-change"):
        assert f'id="{picture}-title"' in page
