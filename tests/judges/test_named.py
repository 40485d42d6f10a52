import importlib.util

import pytest

from suture import registry
from suture.errors import DataError, UsageError
from suture.judges import Classifier, Endpoint, Lexicon, Refusal, Sentiment, Toxicity, judge_named, label_all, unwanted


def test_names_make_judges(tmp_path):
    for name, kind in (("refusal", Refusal), ("toxicity", Toxicity), ("sentiment", Sentiment)):
        assert isinstance(judge_named(name), kind)
    assert judge_named("hf:some/model@label=toxic") == Classifier("some/model", {"toxic": "toxic"}, other="clean")
    assert judge_named("hf:m@label=hate").labels == ("hate", "not hate")
    assert judge_named("openai:org/m:8b@http://localhost:1/v1#toxicity") == Endpoint(
        "org/m:8b", "http://localhost:1/v1", "toxicity"
    )
    assert judge_named("openai:m@http://localhost:1/v1").labels == ("refused", "complied", "deflected")
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_text("friend\n")
    bad.write_text("fool\n")
    for spec in (f"{good},{bad}", f"words:{good},{bad}"):
        judge = judge_named(spec)
        assert isinstance(judge, Lexicon)
        assert unwanted(judge) == "unwanted"
        assert judge("", "what a fool he is") == "unwanted"


OWN = """
from suture.registry import judge


@judge("shouting")
class Shouting:
    labels = ("loud", "quiet")

    def __call__(self, prompt, text):
        return "loud" if text.isupper() else "quiet"
"""


def test_a_judge_is_one_file(tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    judge = judge_named(str(tmp_path / "mine.py"))
    assert [judge("", text) for text in ("HO", "ho")] == ["loud", "quiet"]
    (tmp_path / "none.py").write_text("class Unmarked: ...\n")
    with pytest.raises(UsageError, match="no class marked @judge"):
        judge_named(str(tmp_path / "none.py"))


def test_every_judge_of_the_package_is_known_by_its_mark():
    names = {"refusal", "toxicity", "sentiment", "detoxify", "linear", "hf", "openai", "words"}
    assert registry.judges().keys() == names == set(registry.names("judge"))
    assert all(registry.get("judge", name) for name in names)


@pytest.mark.parametrize("spec", ["maybe", "", "linear:", "hf:", "openai:model", "refusal:x", "a,b,c", "words:a"])
def test_other_names_are_answered_with_what_is_known(spec):
    with pytest.raises(DataError, match="no judge") as problem:
        judge_named(spec)
    assert "openai:MODEL@URL" in problem.value.why


@pytest.mark.parametrize(
    "spec", ["openai:m@file:///etc/passwd", "openai:m@http://u:p@host/v1", "openai:m@http://h#taste"]
)
def test_an_endpoint_needs_an_address_and_a_known_task(spec):
    with pytest.raises(UsageError):
        judge_named(spec)


@pytest.mark.skipif(importlib.util.find_spec("detoxify") is not None, reason="detoxify is installed")
def test_an_absent_package_is_named():
    with pytest.raises(UsageError, match="one more package") as problem:
        judge_named("detoxify")
    assert "suture[detoxify]" in problem.value.fix


def test_a_label_that_a_judge_does_not_know_is_an_error_and_not_nothing():
    class Loud:
        labels = ("loud", "quiet")

        def __call__(self, prompt, text):
            return "silent"

    with pytest.raises(DataError, match="the judge Loud gave the label 'silent'"):
        label_all(Loud(), [("a", "b")])
    few = Loud()
    few.many = lambda prompts, texts: ["loud"]
    with pytest.raises(DataError, match="1 labels for 2 texts"):
        label_all(few, [("a", "b"), ("c", "d")])


def test_an_error_of_a_judge_of_ones_own_is_told_as_its_own(tmp_path):
    (tmp_path / "mine.py").write_text(
        'from suture.registry import judge\n\n@judge("mine")\nclass Mine:\n    labels = ("a", "b")\n\n'
        "    def __call__(self, prompt, text):\n        return {}[text]\n"
    )
    with pytest.raises(DataError, match="the judge Mine failed") as caught:
        label_all(judge_named(str(tmp_path / "mine.py")), [("a", "boo")])
    assert "KeyError: 'boo'" in caught.value.why
    (tmp_path / "none.py").write_text('from suture.registry import judge\n\n@judge("none")\nclass None_:\n    pass\n')
    with pytest.raises(DataError, match="names no labels"):
        judge_named(str(tmp_path / "none.py"))
