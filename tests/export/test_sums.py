import subprocess

import pytest

from suture.errors import CorruptFile, UsageError, VerificationFailed
from suture.export import sums


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "a b.txt").write_text("one")
    (tmp_path / "below" / "é.bin").write_bytes(b"two")
    return tmp_path


def test_the_sums_are_those_of_sha256sum(folder):
    written = sums.export(folder)
    assert sums.check(folder) == 2
    done = subprocess.run(["sha256sum", "-c", written.path.name], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.count(": OK") == 2


@pytest.mark.parametrize("how", ["changed", "missing", "added"])
def test_any_difference_is_found(folder, how):
    sums.export(folder)
    if how == "changed":
        (folder / "a b.txt").write_text("two")
    elif how == "missing":
        (folder / "a b.txt").unlink()
    else:
        (folder / "c.txt").write_text("three")
    with pytest.raises(VerificationFailed, match="c.txt" if how == "added" else "a b.txt"):
        sums.check(folder)


def test_mistakes(folder, tmp_path):
    with pytest.raises(UsageError, match="no SHA256SUMS"):
        sums.check(folder)
    with pytest.raises(UsageError, match="no files"):
        sums.export(tmp_path / "nowhere")
    (folder / sums.NAME).write_text("this is no sum\n")
    with pytest.raises(CorruptFile):
        sums.check(folder)
