"""What suture offers is compared with what was committed: public names, methods and their settings, verbs and their options.

`python -m pytest tests/test_snapshots.py tests/cli/test_json.py --snapshot-update` accepts what is there now.
"""

import pytest

import snapshotting
import surface


@pytest.mark.parametrize("theme", ["public", "methods", "verbs"])
def test_what_is_offered_has_not_changed(theme, snapshot_update):
    snapshotting.compare(f"{theme}.txt", getattr(surface, theme)(), update=snapshot_update)


def test_a_difference_is_shown_with_the_way_to_accept_it(tmp_path, monkeypatch):
    monkeypatch.setattr(snapshotting, "FOLDER", tmp_path)
    snapshotting.compare("x.txt", "suture apply\n    --scale: float", update=True)
    snapshotting.compare("x.txt", "suture apply\n    --scale: float", update=False)
    with pytest.raises(pytest.fail.Exception) as told:
        snapshotting.compare("x.txt", "suture apply\n    --strength: float", update=False)
    assert "-    --scale: float\n+    --strength: float" in str(told.value)
    assert "--snapshot-update" in str(told.value)


def test_shapes_tell_keys_and_types_apart():
    told = surface.shape({"a": [{"b": 1, "c": None}, {"b": 2.5}], "d": ["x", 1], "e": {"f": True}, "g": []})
    assert told == {"a": [{"b": "number", "c?": "null"}], "d": ["number", "string"], "e": {"f": "boolean"}, "g": []}
    assert surface.shape([{"a": 1}, {"a": "x"}]) == [{"a": {"one of": ["number", "string"]}}]


def test_types_are_spelled_without_their_modules():
    def given(path: "pathlib.Path | None" = None, *, mode: "Literal['a.b', 'c']" = "c") -> "suture.patch.Patch": ...  # noqa: F821

    assert surface._signature(given) == "(path: Path | None = None, *, mode: Literal['a.b', 'c'] = 'c') -> Patch"
