"""Tables of the package's own words: in the order of their rows, and none lost."""

import pytest

from rooms import SOURCE
from suture.text.tables import Tables, records

ROWS = """\
{"part": "WAYS", "of": "b", "text": "two"}
{"part": "PLAIN", "text": "z"}
{"part": "WAYS", "of": "a", "text": "one"}
{"part": "PLAIN", "text": ""}
{"part": "WAYS", "of": "b", "text": "three \\u00e9\u2028é"}
{"part": "NESTED", "of": "rude adj", "text": "dull"}
{"part": "NESTED", "of": "kind adj", "text": "bright"}
{"part": "NESTED", "of": "rude noun", "text": "bore"}
{"part": "PLAIN", "text": "z"}
"""


@pytest.fixture
def tables(tmp_path):
    (tmp_path / "words.jsonl").write_text(ROWS, encoding="utf-8")
    return Tables.beside(str(tmp_path / "module.py"), "words")


def test_rows_keep_their_order(tables):
    assert tables.texts("PLAIN") == ("z", "", "z")
    assert tables.pairs("WAYS") == [("b", "two"), ("a", "one"), ("b", "three é\u2028é")]
    assert list(tables.grouped("WAYS").items()) == [("b", ("two", "three é\u2028é")), ("a", ("one",))]
    assert list(tables.nested("NESTED").items()) == [
        ("rude", {"adj": ("dull",), "noun": ("bore",)}),
        ("kind", {"adj": ("bright",)}),
    ]


def test_a_table_that_is_not_there_is_a_mistake_in_the_file(tables):
    with pytest.raises(AssertionError, match=r"no rows of 'WORDS' in words\.jsonl"):
        tables.texts("WORDS")


FILES = sorted([*SOURCE.glob("organisms/*.jsonl"), *SOURCE.glob("judges/*_words.jsonl")])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_row_of_the_package_is_read(path):
    tables = Tables.beside(str(path), path.stem)
    assert sum(map(len, tables.parts.values())) == len(records(path)) > (5 if path.stem == "turns" else 50)
    assert all(set(record) <= {"part", "of", "text"} for record in records(path))
