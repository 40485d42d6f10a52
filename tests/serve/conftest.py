import pytest

from models import tiny_llama
from serving import listening
from suture.methods.steering import steering
from suture.methods.surgery import surgery
from suture.serve.app import Desk
from suture.serve.engine import Engine


@pytest.fixture
def patches(llama, behaviour):
    return {
        "kind": surgery(llama, behaviour, rows=20, strength=2.0),
        "late": steering(llama, behaviour, positions="generated", strength=2.0, layers=[2]),
    }


@pytest.fixture
def engine(llama, patches):
    return Engine(llama, patches, rows=8)


@pytest.fixture
def client(engine):
    with listening(Desk(engine, "tiny")) as found:
        yield found


@pytest.fixture(scope="module")
def shared(tokenizer, behaviour):
    """A client of one server for a whole file of requests, which leave it as it is."""
    llama = tiny_llama(tokenizer)
    patches = {
        "kind": surgery(llama, behaviour, rows=20, strength=2.0),
        "late": steering(llama, behaviour, positions="generated", strength=2.0, layers=[2]),
    }
    with listening(Desk(Engine(llama, patches, rows=8), "tiny", aliases=["org/tiny"])) as found:
        yield found
