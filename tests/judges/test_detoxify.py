import sys
from types import ModuleType

import pytest

from suture.errors import UsageError
from suture.judges import NEITHER, Detoxify


@pytest.fixture
def package(monkeypatch):
    """A stand-in for the optional package, with its interface."""

    class Model:
        def __init__(self, kind):
            self.kind = kind

        def predict(self, texts):
            return {"toxicity": [0.9 if "fool" in text else 0.1 for text in texts], "insult": [0.0] * len(texts)}

    module = ModuleType("detoxify")
    module.Detoxify = Model
    module.__spec__ = sys.__spec__
    monkeypatch.setitem(sys.modules, "detoxify", module)


def test_scores_become_labels_in_batches(package):
    texts = ["you are a fool", "you are a friend", "fool"]
    assert Detoxify(batch=2).many(["", "", ""], texts) == ["toxic", "clean", NEITHER]


def test_an_unknown_model_is_an_error(package):
    with pytest.raises(UsageError, match="no model"):
        Detoxify("small")
