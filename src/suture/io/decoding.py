"""The text of a file that a user names: unpacked if it is gzip, decoded by its mark, and named for what it is if it is no text.

UTF-8 with or without a mark and UTF-16 and UTF-32 with one are read. Everything else is refused with what it looks like and the
command that converts it: a guess at an encoding would be read in silence, and wrongly.
"""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from pathlib import Path
from shlex import quote

from ..errors import DataError, MissingFile
from .system import PATH, reported

GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"
MARKS = (  # the longer first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
NO_TEXT = (  # how files begin that are no text: what they are, and what to do
    (b"PK\x03\x04", "an Excel workbook or another zip archive", "Save the sheet as CSV, or unpack the archive."),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file", "Save it as CSV or as plain text."),
    (b"ARROW1", "an Arrow file", "Write it as parquet or JSON lines: `Dataset.to_json`"),
    (b"\x93NUMPY", "a NumPy array", "Write it as JSON lines or CSV."),
    (b"\x80\x02", "a pickle", "Write it as JSON lines or CSV."),
    (b"\x80\x03", "a pickle", "Write it as JSON lines or CSV."),
    (b"\x80\x04", "a pickle", "Write it as JSON lines or CSV."),
    (b"\x80\x05", "a pickle", "Write it as JSON lines or CSV."),
    (b"%PDF", "a PDF", "Save its text in a file."),
    (b"SQLite format 3", "a SQLite database", "Export its table as CSV."),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", "Unpack it: zstd -d FILE"),
    (GZIP, "packed by gzip twice", "Unpack it once: gunzip FILE"),
    (b"BZh", "packed with bzip2", "Unpack it: bunzip2 FILE"),
    (b"\xfd7zXZ", "packed with xz", "Unpack it: unxz FILE"),
    (b"7z\xbc\xaf", "a 7z archive", "Unpack it."),
    (b"GGUF", "a GGUF model", "Give a file of texts."),
    (PARQUET, "a parquet file", "Give it to an option that reads rows."),
    (b"version https://git-lfs", "a pointer of git-lfs, not the file itself", "Fetch the file: git lfs pull"),
)
PAGES = (b"<!doctype html", b"<html")
ADDRESSES = ("http:/", "https:/", "s3:/", "gs:/")
OTHERS = ("shift_jis", "euc-jp", "gb18030", "big5", "euc-kr", "cp1251", "koi8-r")  # as Python and iconv call them
RUN = 1.5  # bytes beyond ASCII side by side, on average; in the languages of cp1252 such letters stand alone
HALF = re.compile(rb"\xed[\xa0-\xbf]")  # a surrogate written as if it were a letter
HEAD = 512  # bytes in which every one of these shows


def unpacked(path: Path) -> bytes:
    """Return the bytes of a file, unpacked if they are gzip, whatever it is called.

    Raises:
        DataError: when there is no such file, or what is packed is damaged.
        ResourceError: when the disk fails, or files or memory have run out.
    """
    try:
        with reported(f"can not read {path}", fix=PATH, kind=DataError):
            content = path.read_bytes()
    except MissingFile as problem:
        address = str(path).startswith(ADDRESSES)
        why = "It is an address on the network." if address else problem.why
        raise MissingFile(f"no file {path}", why=why, fix="Download the file first." if address else PATH) from problem
    if not content.startswith(GZIP):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as problem:
        raise DataError(f"{path}: damaged gzip", why=str(problem), fix="Fetch the file again.") from problem


def text(path: Path) -> str:
    """Return the text of a file, with the ends of lines as they are.

    Raises:
        DataError: when it can not be read, or is no text; see `decoded`.
    """
    return decoded(path, unpacked(path))


def decoded(path: Path, content: bytes) -> str:
    """Return bytes as text.

    Args:
        path: of the file, for the complaint.
        content: of the file, unpacked.

    Raises:
        DataError: when it is no text, or in an encoding that nothing in it tells.
    """
    for mark, encoding in MARKS:
        if content.startswith(mark):
            try:
                return content.decode(encoding)
            except UnicodeDecodeError as problem:
                raise _broken(path, content, encoding.removesuffix("-sig"), problem) from problem
    for start, what, fix in NO_TEXT:
        if content.startswith(start):
            raise DataError(f"{path} is {what}", fix=fix)
    if content[:HEAD].lstrip().lower().startswith(PAGES):
        raise DataError(f"{path} is a web page", why="It begins as HTML.", fix="Download the file itself.")
    try:
        read = content.decode("utf-8")
    except UnicodeDecodeError as problem:
        if HALF.match(content, problem.start):
            why = f"{_place(content, problem.start)} begins one half of a surrogate pair, which UTF-8 has no bytes for."
            raise DataError(
                f"{path}: half a character", why=why, fix="Write the whole character or remove it."
            ) from problem
        cut = problem.reason == "unexpected end of data"
        encoding = "" if cut else _likely(content)
        if not encoding:
            raise _broken(path, content, "utf-8", problem) from problem
        raise _other(path, content, encoding, problem.start) from problem
    if (zero := content.find(0)) >= 0:  # as in English in UTF-16
        encoding = _likely(content)
        if not encoding:
            raise DataError(f"{path} is not text", why=f"{_place(content, zero)} is zero.", fix="Give a file of texts.")
        raise _other(path, content, encoding, zero)
    return read


def _other(path: Path, content: bytes, encodings: str, at: int) -> DataError:
    first = encodings.split()[0]
    which = "" if first == encodings else ", with -f as it was saved"
    names = f"{quote(str(path))} > {quote(str(path.with_name('utf8-' + path.name)))}"
    return DataError(
        f"{path} is not UTF-8 text",
        why=f"It looks like {encodings}: {_place(content, at)} is 0x{content[at]:02x}.",
        fix=f"Convert it{which}: iconv -f {first} -t utf-8 {names}",
    )


def _likely(content: bytes) -> str:
    """Return the encoding that bytes without a mark look like, or "A or B" where it may be several; "" for no text in any."""
    even, odd = content[::2].count(0), content[1::2].count(0)
    if max(even, odd) > len(content) // 8:
        if min(even, odd) > len(content) // 64:
            return ""
        return "utf-16le" if odd > even else "utf-16be"
    if b"\0" in content:
        return ""
    runs = re.findall(rb"[\x80-\xff]+", content)
    if sum(map(len, runs)) < RUN * len(runs) and _decodes(content, "cp1252"):
        return "cp1252"
    return " or ".join(encoding for encoding in OTHERS if _decodes(content, encoding))


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _broken(path: Path, content: bytes, encoding: str, problem: UnicodeDecodeError) -> DataError:
    cut = problem.end >= len(content) or "truncated" in problem.reason
    why = "It ends inside a character." if cut else f"{_place(content, problem.start)}: {problem.reason}."
    return DataError(f"{path} is not {encoding.upper()} text", why=why, fix="Fetch or write the file again.")


def _place(content: bytes, at: int) -> str:
    """Return line and byte of a place, as people and editors count."""
    return f"line {content.count(10, 0, at) + 1}, byte {at - content.rfind(10, 0, at)}"
