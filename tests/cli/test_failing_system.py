"""What no verb foresaw: the system refuses a file or memory somewhere, and the command line tells it, for every verb."""

import errno
import io
import os

import pytest

NAMED, NAMELESS = "some/file", None


@pytest.mark.parametrize(
    ("problem", "code", "said"),
    [
        (OSError(errno.EMFILE, "Too many open files", NAMED), 6, "ulimit -n"),
        (OSError(errno.EIO, os.strerror(errno.EIO)), 6, "Check the disk"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 6, "Free some disk"),
        (PermissionError(errno.EACCES, "Permission denied", NAMED), 2, NAMED),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", os.fsencode(NAMED)), 2, NAMED),
        (Exception("No space left on device (os error 28)"), 6, "Free some disk"),
        (MemoryError(), 6, "Free some memory"),
        (OSError("of no file"), 1, "a bug in suture"),
        (KeyError("x"), 1, "a bug in suture"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_it_is_told_with_its_code(command, tmp_path, monkeypatch, problem, code, said):
    def fail(*_):
        raise problem

    monkeypatch.setattr("suture.runs.run.listed", fail)
    done = command("runs", tmp_path, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["error", "  why", "  try"]
    assert ("bug" in done.stderr) == (code == 1)


@pytest.mark.parametrize("verb", ["combine", "show", "diff", "verify", "apply"])
def test_files_that_have_run_out_are_no_wrong_path(command, tmp_path, monkeypatch, verb):
    """The first file that a verb opens below its folder is refused."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / f"{name}.safetensors").write_bytes(b"x")
    words = {
        "combine": ["a.safetensors", "b.safetensors", "-o", "out"],
        "show": ["a.safetensors"],
        "diff": ["a", "b", "-o", "out"],
        "verify": ["a"],
        "apply": ["a", "a.safetensors", "-o", "out"],
    }

    def refusing(call):
        def open_it(path, *given, **more):
            if str(path).startswith(("a", "b", str(tmp_path))):
                raise OSError(errno.EMFILE, "Too many open files", str(path))
            return call(path, *given, **more)

        return open_it

    command("methods", cwd=tmp_path)  # what is imported once
    monkeypatch.setattr("io.open", refusing(io.open))
    monkeypatch.setattr("os.open", refusing(os.open))
    done = command(verb, *words[verb], cwd=tmp_path)
    assert done.returncode == 6, done.stderr
    assert "ulimit -n" in done.stderr
