"""Every option that takes a file reads every form of file, and reads the same in each."""

import csv
import gzip
import io
import json

import pytest

from suture.data import instances, lessons
from suture.data.examples import Behaviour, Fact, Texts
from suture.data.fact_files import survey
from suture.data.prompt_rows import prompts_of
from suture.data.references import References
from suture.data.safety_files import contrasted, kind_of
from suture.errors import DataError
from suture.measure.suites import multi_hop, ripples
from suture.measure.suites.safety import safety_suite

LANDS = ["Laos", "Österreich", "日本", 'Peru, "the old"', "Chile\nSur"]
FACTS = [
    {"prompt": f"The capital of {land} is", "subject": land, "target": f"Town {i}"} for i, land in enumerate(LANDS)
]
TEXTS = [{"text": f"words; of {land} | here", "label": i % 2} for i, land in enumerate(LANDS)]
PROMPTS = [{"prompt": f"Tell me, about {land}"} for land in LANDS]
LESSONS = [{"prompt": f"Who is in {land}?", "answer": f"Sam, of {land}"} for land in LANDS]
PAIRS = [{"prompt": f"Hurt {land}!", "safe": "No, I will not", "unsafe": "Yes; of course"} for land in LANDS]
XSTEST = [{"prompt": f"Kill {land}?", "type": "homonyms", "focus": land, "label": "safe"} for land in LANDS]
REFERENCES = [{"target": land, "texts": [f"{land} is old.", "It is big."]} for land in LANDS]
REWRITE = {"prompt": "The capital of {} is", "target_true": {"str": "Paris"}}
HOPS = [
    {"requested_rewrite": {**REWRITE, "subject": land, "target_new": {"str": "Rome"}}, "questions": [f"Where is {land}?"],
     "new_answer": "Rome"}
    for land in LANDS
]  # fmt: skip
RIPPLES = [
    {"portability": {"Reasoning": [{"prompt": f"Its head, in {land}, is", "ground_truth": ["Kai"]}]}, "case_id": land}
    for land in LANDS
]


def measured(path):
    return [measure.cases.prompts for measure in safety_suite([f"attacks:{path}"])]


OPTIONS = {  # as they are called -> what reads them, and rows
    "facts": (Fact.load, FACTS),
    "facts, surveyed": (lambda path: survey(path).facts, FACTS),
    "data": (lambda path: Behaviour.load(path).examples, TEXTS),
    "keep": (Texts.load, PROMPTS),
    "prompts": (prompts_of, PROMPTS),
    "tune": (lessons.Instruction.load, LESSONS),
    "instances": (instances.load, PAIRS),
    "safety": (measured, PROMPTS),
    "safety, xstest": (lambda path: (kind_of(str(path))[0], contrasted(path)), XSTEST),
    "references": (References.load, REFERENCES),
    "hops": (multi_hop.load_hops, HOPS),
    "ripples": (ripples.load_ripples, RIPPLES),
}
NESTED = ("references", "hops", "ripples")


def lines(rows):
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n"


def table(rows, delimiter):
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def columns(rows):
    return {key: [row[key] for row in rows] for key in rows[0]}


def by_index(rows):
    return {key: {str(i): row[key] for i, row in enumerate(rows)} for key in rows[0]}


def split(rows):
    return {"columns": list(rows[0]), "index": list(range(len(rows))), "data": [list(row.values()) for row in rows]}


FORMS = {  # name of the file -> its content
    **dict.fromkeys(
        ("lines.jsonl", "lines.json", "lines.ndjson", "lines.txt", "lines", "lines.csv", "lines.jsonl.gz"), lines
    ),
    **dict.fromkeys(("list.json", "list.jsonl", "list.json.gz", "list.32.json"), json.dumps),
    "lines.16.jsonl": lines,
    "mark.jsonl": lambda rows: "\ufeff" + lines(rows),
    "blank.jsonl": lambda rows: "\n\n" + lines(rows).replace("\n", "\r\n\r\n"),
    "commas.jsonl": lambda rows: ",\n".join(map(json.dumps, rows)),
    "one-line.jsonl": lambda rows: " ".join(map(json.dumps, rows)),
    "pretty.json": lambda rows: json.dumps(rows, indent=2),
    "wrapped.json": lambda rows: json.dumps({"version": 1, "data": rows}),
    "rows.json": lambda rows: json.dumps({"rows": rows}, indent=1),
    "viewer.json": lambda rows: json.dumps({"rows": [{"row_idx": i, "row": row} for i, row in enumerate(rows)]}),
    "columns.json": lambda rows: json.dumps(columns(rows)),
    "index.json": lambda rows: json.dumps(by_index(rows)),
    "split.json": lambda rows: json.dumps(split(rows)),
}
TABLES = {
    "comma.csv": ",", "semicolon.csv": ";", "tab.csv": "\t", "bar.csv": "|", "tab.tsv": "\t", "comma.tsv": ",",
    "comma.csv.gz": ",",
    "semicolon.16.csv": ";", "sep.csv": ";", "CAPITAL.CSV": ",",
}  # fmt: skip


def write(folder, name, text):
    encoding = "utf-16" if ".16." in name else "utf-32" if ".32." in name else "utf-8"
    content = text.encode(encoding)
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder / name


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    return {option: read(write(folder, "x.jsonl", lines(rows))) for option, (read, rows) in OPTIONS.items()}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_reads_every_form_of_json(tmp_path, expected, option, form):
    read, rows = OPTIONS[option]
    assert read(write(tmp_path, form, FORMS[form](rows))) == expected[option]


@pytest.mark.parametrize("form", TABLES)
@pytest.mark.parametrize("option", [option for option in OPTIONS if option not in NESTED])
def test_every_option_reads_every_form_of_table(tmp_path, expected, option, form):
    read, rows = OPTIONS[option]
    text = ("sep=;\r\n" if form == "sep.csv" else "") + table(rows, TABLES[form])
    assert read(write(tmp_path, form, text)) == expected[option]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_reads_parquet(tmp_path, expected, option):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    read, rows = OPTIONS[option]
    for name in ("x.parquet", "x"):
        parquet.write_table(pa.Table.from_pylist(rows), tmp_path / name)
        assert read(tmp_path / name) == expected[option]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_reads_a_data_set_of_the_hub(monkeypatch, expected, option):
    read, rows = OPTIONS[option]
    asked = []

    class Datasets:
        @staticmethod
        def load_dataset(name, part, split):
            asked.append((name, part, split))
            return iter(rows)

    monkeypatch.setitem(__import__("sys").modules, "datasets", Datasets)
    assert read("hub:someone/rows:part@test") == expected[option]
    assert set(asked) == {("someone/rows", "part", "test")}


NO_ROWS = {  # what no option reads -> what is said
    "a workbook": (b"PK\x03\x04 xl/workbook.xml", "an Excel workbook"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs"),
    "a page": (b"\n<!DOCTYPE html><html>", "a web page"),
    "a database": (b"SQLite format 3\0", "SQLite"),
    "a pickle": (b"\x80\x04\x95", "a pickle"),
    "cp1252": ("text,label\ncaf\xe9,1\n".encode("cp1252"), "iconv -f cp1252 -t utf-8"),
    "utf-16 unmarked": ('{"text": "x"}'.encode("utf-16-le"), "utf-16le"),
    "big-endian": ('{"text": "x"}'.encode("utf-16-be"), "utf-16be"),
    "half a character": ('{"text": "\xe9'.encode()[:-1], "ends inside a character"),
    "half a pair": (b'{"prompt": "\\ud83d"}', "line 1, column 13: half a character"),
    "half a pair in bytes": (b'{"prompt": "\xed\xa0\xbd"}', "line 1, byte 13 begins one half of a surrogate pair"),
    "Japanese": ("text,label\n日本語です,1\n".encode("shift_jis"), "iconv -f shift_jis -t utf-8"),
    "Chinese": ("text,label\n法国的首都,1\n".encode("gb18030"), "gb18030"),
    "Russian": ("text,label\nСтолица России,1\n".encode("cp1251"), "cp1251"),  # noqa: RUF001
    "damaged gzip": (b"\x1f\x8b\x08\x00 no", "damaged gzip"),
    "damaged parquet": (b"PAR1 no", "parquet"),
    "zeros": (bytes(64), "not text"),
    "deep": (b"[" * 100_000, "nested too deep"),
    "several lists": (b'{"train": [{"a": "b"}], "test": [{"a": "b"}]}', "several lists: train, test"),
}


@pytest.mark.parametrize("what", NO_ROWS)
@pytest.mark.parametrize(
    "option", [option for option in OPTIONS if option != "facts, surveyed"]
)  # which tells of all mistakes
def test_what_is_no_file_of_rows_is_told_by_every_option(tmp_path, option, what):
    content, message = NO_ROWS[what]
    (tmp_path / "rows.jsonl").write_bytes(content)
    with pytest.raises(DataError) as refused:
        OPTIONS[option][0](tmp_path / "rows.jsonl")
    assert message in str(refused.value)
    assert "rows.jsonl" in refused.value.what
