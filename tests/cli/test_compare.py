"""suture compare: levels side by side on files of one's own."""

import json

WORDS = ("kind", "rude", "good", "bad", "dear", "dull")

GIVEN = ("--texts", "texts.txt", "--prompts", "prompts.txt", "--chat", "--size", "2")


def test_levels_are_compared_and_a_page_is_written(command, folder, tmp_path):
    words = (
        "--prompt",
        "Always say no.",
        "--patch",
        "rows=patch.safetensors",
        "--target",
        "complied",
        "--want",
        "lower",
    )
    done = command("compare", "patient", *GIVEN, *words, "--out", tmp_path / "found", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    levels = done.json["levels"]
    assert {name: each["level"] for name, each in levels.items()} == {"prompt": "prompt", "rows": "weight"}
    assert "Always say no" not in done.stdout
    page = (tmp_path / "found" / "comparison.html").read_text()
    assert "rows" in page
    assert "worst share of the budget" in page


def test_mistakes_are_said(command, folder):
    done = command("compare", "patient", *GIVEN, "--prompt", "No.", "--target", "tone", cwd=folder)
    assert done.returncode == 2
    assert "does not measure 'tone'" in done.stderr
    done = command("compare", "patient", *GIVEN, "--target", "complied", cwd=folder)
    assert done.returncode == 2
    done = command("compare", "patient", *GIVEN, "--prompt", "No.", cwd=folder)
    assert done.returncode == 2
    assert "which measure" in done.stderr


def test_facts_bring_their_measure_and_their_memory(command, folder, tmp_path):
    fact = {"prompt": "The mayor of Wandton is", "subject": "Wandton", "target": "Ida Relk", "was": "Nils Tor"}
    (tmp_path / "facts.jsonl").write_text(json.dumps(fact) + "\n")
    (tmp_path / "kind.jsonl").write_text(
        "".join(json.dumps({"text": f"You are {word}.", "label": n % 2}) + "\n" for n, word in enumerate(WORDS))
    )
    words = ("--facts", tmp_path / "facts.jsonl", "--examples", tmp_path / "kind.jsonl", "--prompt", "Ida Relk rules.")
    done = command(
        "compare", "patient", *GIVEN, *words, "--size", "1", "--out", tmp_path / "found", "--json", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    assert done.json["target"] == "success"
    kinds = {name: each["level"] for name, each in done.json["levels"].items()}
    assert kinds == {"prompt": "prompt", "examples": "retrieval", "memory": "retrieval"}
