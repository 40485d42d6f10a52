"""suture compare: levels side by side on files of one's own."""

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
