import pytest

from suture.errors import UsageError
from suture.serve.model_names import ModelNames, UnknownModel

NAMES = ModelNames(["patient", "org/patient"], ["kind", "kinder", "a,b", "x@2", "late:1", "a b", "up+down", "ж"])
READ = {
    "": {}, "patient": {}, "org/patient": {}, "kind": {"kind": 1.0}, "kind@0.5": {"kind": 0.5}, "patient:kind": {"kind": 1.0},
    "patient:kind@-1": {"kind": -1.0}, "org/patient:kinder@.5": {"kinder": 0.5}, 
    "patient:kind@0.5,kinder@2": {"kind": 0.5, "kinder": 2.0},
    "kind+kinder@1e-1": {"kind": 1.0, "kinder": 0.1}, "patient:a,b@2,kind": {"a,b": 2.0, "kind": 1.0}, "x@2": {"x@2": 1.0},
    "x@2@3": {"x@2": 3.0}, "patient:late:1@+1e+1": {"late:1": 10.0}, "a b": {"a b": 1.0}, 
    "up+down+kind": {"up+down": 1.0, "kind": 1.0},
    "patient:ж@0": {"ж": 0.0},
}  # fmt: skip
UNKNOWN = {
    "gpt": "no model 'gpt' here; it is 'patient'", "patient:rude": "'rude' is no patch", "kind@much": "'kind@much'",
    "kind@nan": "", "kind@inf": "", "kind@": "", "kind,": "", "patient:": "", "kind,kind": "twice", "Patient": "", "kind@1@2": "",
    "kind rude": "", "patient:kind@0.5,rude": "'rude' is no patch", "kind@1_0": "", "kind@1e999": "not finite", "kind@٣": "",
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_a_name_says_which_patches_and_how_strongly(name):
    assert NAMES.strengths(name) == READ[name]


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_no_name_is_said(name):
    with pytest.raises(UnknownModel) as refused:
        NAMES.strengths(name)
    assert refused.value.status_code == 404
    assert UNKNOWN[name] in refused.value.detail


def test_without_patches_only_the_base_is_known():
    names = ModelNames(["patient"], [])
    assert names.strengths("patient") == {}
    with pytest.raises(UnknownModel, match="Served patches: none"):
        names.strengths("patient:")


def test_a_name_and_the_field_add_up_and_may_not_contradict():
    assert NAMES.merged("kind@0.5", {"kinder": 1.0}) == {"kind": 0.5, "kinder": 1.0}
    assert NAMES.merged("kind@0.5", {"kind": 0.5}) == {"kind": 0.5}
    with pytest.raises(UsageError, match="two strengths of 'kind'"):
        NAMES.merged("kind@0.5", {"kind": 1.0})


def test_a_name_is_answered_as_the_field_is(shared):
    body = {"prompt": "You are a friend.", "max_tokens": 8, "temperature": 0}
    for name, patches in (("kind", {"kind": 1.0}), ("tiny:late@1.5,kind@-0.5", {"late": 1.5, "kind": -0.5})):
        expected = shared("POST", "/v1/completions", {**body, "model": "tiny", "patches": patches})[1]
        status, answer = shared("POST", "/v1/completions", {**body, "model": name})
        assert (status, answer["choices"]) == (200, expected["choices"])
        assert answer["model"] == name
        assert answer["suture"]["patches"] == patches


def test_each_is_listed_and_can_be_looked_up(shared):
    listed = shared("GET", "/v1/models")[1]["data"]
    for entry in listed:
        assert shared("GET", f"/v1/models/{entry['id']}") == (200, entry)
    status, mix = shared("GET", "/v1/models/org/tiny:kind@0.5,late")
    assert status == 200
    assert {name: patch["strength"] for name, patch in mix["patches"].items()} == {"kind": 0.5, "late": 1.0}
    assert mix["parent"] == "tiny"
    assert shared("GET", "/v1/models/tiny%3Akind/")[0] == 200
    status, answer = shared("GET", "/v1/models/gpt")
    assert (status, answer["error"]["code"]) == (404, "model_not_found")
