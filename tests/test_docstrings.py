"""Examples in the docstrings of what people call run, and give what they say."""

import doctest
import inspect

import pytest

import suture

PARTS = {
    name: part
    for name in suture.__all__
    for part in [getattr(suture, name)]
    if ">>>" in (inspect.getdoc(part) or "")
}  # fmt: skip
SHOWN = {"LM", "Behaviour", "Fact", "Patch", "LowRank", "evaluate", "fit_probe", "generate", "method", "trace"}


@pytest.mark.parametrize("name", PARTS)
def test_an_example_gives_what_it_says(name):
    part = PARTS[name]
    names = {name: part}
    examples = doctest.DocTestParser().get_doctest(inspect.getdoc(part), names, name, None, None)
    said: list[str] = []
    failed = doctest.DocTestRunner(verbose=False).run(examples, out=said.append).failed
    assert not failed, "".join(said)


def test_what_people_call_first_has_an_example():
    assert PARTS.keys() >= SHOWN
