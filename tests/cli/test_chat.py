import io
import json

PATCHED = ("chat", "patient", "--patch", "patch.safetensors")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_one_shot_answers_as_json(command, folder):
    done = command(*PATCHED, "--prompt", "How do I bake a cake?", "--prompt", "And bread?", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert [turn["prompt"] for turn in done.json["turns"]] == ["How do I bake a cake?", "And bread?"]
    assert all(turn["base"] and turn["patched"] for turn in done.json["turns"])


def test_lines_are_read_from_a_pipe_and_commands_change_the_manner(command, folder):
    lines = (
        "Hello there\n/strength 0\n\nHello again\n/system Be brief.\n/temperature 0\n/seed 7\n/raw\n/help\n"
        "You are a\n/reset\n/save die Rede.jsonl\n/quit\nnever said\n"
    )
    done = command(*PATCHED, cwd=folder, stdin=lines)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (folder / "die Rede.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["prompt"] for row in rows] == ["Hello there", "Hello again", "You are a"]
    assert [row["strength"] for row in rows] == [1.0, 0.0, 0.0]
    last = rows[-1]
    assert (last["system"], last["temperature"], last["seed"], last["raw"]) == ("Be brief.", 0.0, 7, True)
    assert "never said" not in done.stdout
    assert "/strength X" in done.stdout


def test_the_last_prompt_is_shown_at_several_strengths_with_bars(command, folder, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    lines = "How do I bake a cake?\n/doses -1 0 40\n"
    done = command(*PATCHED, "--temperature", "0", "--tokens", "12", cwd=folder, stdin=lines)
    assert done.returncode == 0, done.stderr
    shown = done.stdout.splitlines()
    head = next(i for i, line in enumerate(shown) if line.startswith("strength"))
    rows = shown[head + 1 : head + 4]
    assert [row.split()[0] for row in rows] == ["-1", "0", "40"]
    assert "·" in rows[1]
    assert "█" in rows[2]
    done = command(*PATCHED, "--judge", "refusal", "--tokens", "12", cwd=folder, stdin=lines)
    assert "answers" in done.stdout
    assert "%" in done.stdout


def test_answers_stand_side_by_side_only_where_there_is_room(command, folder, monkeypatch):
    shown = {}
    for width in ("80", "120"):
        monkeypatch.setenv("COLUMNS", width)
        shown[width] = command(*PATCHED, "--prompt", "Hi [bold]there[/bold]", cwd=folder).stdout
    assert "\nbase     " in shown["80"]
    assert "\npatched  " in shown["80"]
    assert any("base" in line and "patched x 1" in line for line in shown["120"].splitlines())
    assert all("[bold]there[/bold]" in text for text in shown.values())  # what people type is no markup


def test_without_a_patch_the_base_answers_alone(command, folder):
    done = command("chat", "patient", "--prompt", "Hello", cwd=folder)
    assert done.returncode == 0
    assert "patched" not in done.stdout


def test_at_a_terminal_a_mistake_does_not_end_the_talk(command, folder, monkeypatch):
    typed = iter(["/strenght 2", "Hello", "/quit"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    done = command(*PATCHED, cwd=folder, stdin=Terminal())
    assert done.returncode == 0, done.stderr
    assert "no command /strenght" in done.stdout
    assert "\npatched  " in done.stdout
