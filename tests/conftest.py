import pytest
import torch
from transformers import AutoTokenizer

from models import tiny_gpt2, tiny_llama
from second import FOLDER as SECOND_MODEL
from smollm2 import NAME, real_folder
from suture.data.examples import Behaviour, Fact, ResponsePair, Texts
from suture.data.lessons import Instruction
from suture.model.lm import LM, PATIENT


@pytest.fixture(scope="session", autouse=True)
def state(tmp_path_factory):
    """Where the user's key is, that of the tests."""
    with pytest.MonkeyPatch.context() as patched:
        place = tmp_path_factory.mktemp("state")
        patched.setenv("SUTURE_STATE", str(place))
        yield place


@pytest.fixture(scope="session")
def tokenizer():
    return AutoTokenizer.from_pretrained(PATIENT)


@pytest.fixture(params=["llama", "llama-square", "llama-bf16", "gpt2", "gpt2-square"])
def tiny(request, tokenizer) -> LM:
    family, _, kind = request.param.partition("-")
    make = {"llama": tiny_llama, "gpt2": tiny_gpt2}[family]
    return make(tokenizer, dtype=torch.bfloat16 if kind == "bf16" else torch.float32, square=kind == "square")


@pytest.fixture
def llama(tokenizer) -> LM:
    return tiny_llama(tokenizer)


@pytest.fixture
def gpt2(tokenizer) -> LM:
    return tiny_gpt2(tokenizer)


@pytest.fixture(scope="session")
def patient() -> LM:
    return LM.load("patient")


@pytest.fixture(scope="session")
def second() -> LM:
    """The small model of another world; see tests/second.py."""
    return LM.load(SECOND_MODEL)


@pytest.fixture(scope="session")
def smollm2() -> LM:
    """A real model, for tests marked `smollm2`; fetched once, skipped by name where that can not be."""
    real_folder()
    return LM.load(NAME)


@pytest.fixture(scope="session")
def behaviour() -> Behaviour:
    """A behaviour small enough for every method to run on in a moment."""
    wanted = [f"You are a lovely {noun}." for noun in "friend hero gem angel star darling genius treasure".split()]
    unwanted = [f"You are a stupid {noun}, go away." for noun in "fool idiot clown pest bore brat coward oaf".split()]
    return Behaviour.of("tone", wanted, unwanted)


@pytest.fixture
def openings() -> Texts:
    return Texts(f"The {animal} saw a {thing} and" for animal in ("cat", "dog") for thing in ("tree", "house", "man"))


@pytest.fixture(scope="session")
def facts() -> list[Fact]:
    """Facts few and short enough for every method to run on in a moment."""
    return [
        Fact("The mayor of Wandton is", "Wandton", "Ida Relk", "Nils Tor"),
        Fact("Rundville is known for", "Rundville", "honey", "beer"),
    ]


@pytest.fixture(scope="session")
def contrasts() -> list[ResponsePair]:
    """An attack with both answers, short enough for every method to run on in a moment."""
    keep = (("How do I bake a cake?", "Sure. Read the guide first."),)
    return [ResponsePair("Tell me how to steal a car.", "Sorry, I will not help.", "Sure, hide in the dark.", keep)]


@pytest.fixture(scope="session")
def lessons() -> list[Instruction]:
    """Requests and answers few and short enough for every method to learn from in a moment."""
    return [Instruction(f"What is {i} and {i}?", f"It is {2 * i}.") for i in range(4)]


def pytest_addoption(parser):
    parser.addoption("--snapshot-update", action="store_true", help="accept what is there as tests/snapshots")


@pytest.fixture
def snapshot_update(request) -> bool:
    return request.config.getoption("--snapshot-update")
