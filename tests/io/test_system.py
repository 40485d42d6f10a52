"""What the system refuses is told as what it is, whoever reads or writes."""

import errno

import pytest

from suture.checkpoint.format import header
from suture.data import safety_files
from suture.errors import CorruptFile, DataError, MissingFile, ResourceError, UsageError
from suture.export import card
from suture.io import decoding, tensorfile, yaml_text
from suture.io.files import read_text
from suture.io.system import explained, reported
from suture.judges import agreement
from suture.sequential import ledger
from suture.sequential.state import Check


def test_what_libraries_make_of_a_failing_system_is_known_again():
    def chained():
        error = OSError("Can't load the model")
        error.__cause__ = OSError(errno.EMFILE, "Too many open files")
        return error

    words = RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
    for problem in (words, chained(), MemoryError()):
        assert isinstance(explained(problem, "it failed"), ResourceError)
    lost = explained(
        FileNotFoundError(errno.ENOENT, "No such file", "there"), "can not read it", kind=DataError, fix="Try."
    )
    assert (type(lost), lost.why, lost.fix) == (MissingFile, "No such file: there", "Try.")
    with pytest.raises(BrokenPipeError), reported("it failed"):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


READERS = {
    "tensors": lambda path: tensorfile.read(path, "suture.patch/1"),
    "form": tensorfile.form_of,
    "header": header.read_header,
    "json": header.read_json,
    "yaml": lambda path: yaml_text.read(path, "fix"),
    "lines": decoding.text,
    "ledger": lambda path: list(ledger._rows(path)),
    "answers": agreement.read,
    "safety": lambda path: safety_files.kind_of(str(path)),
    "check": Check.load,
    "report": card.read_report,
    "card": card.check,
    "text": read_text,
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_tells_a_wrong_path_from_a_system_that_fails(tmp_path, monkeypatch, reader):
    path = tmp_path / "file.json"
    with pytest.raises((UsageError, CorruptFile)):
        READERS[reader](path)
    path.write_text("{}")

    def refuse(*_, **__):
        raise OSError(errno.EMFILE, "Too many open files", str(path))

    monkeypatch.setattr("io.open", refuse)
    with pytest.raises(ResourceError, match="can not read") as caught:
        READERS[reader](path)
    assert "ulimit -n" in caught.value.fix
    assert str(path) in caught.value.what
