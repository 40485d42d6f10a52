import queue
import threading

import pytest
import torch

from suture.errors import PatchMismatch, UsageError
from suture.methods.steering import steering
from suture.methods.surgery import surgery
from suture.model.run.generation import Doses, generate
from suture.patch.delta import LowRank
from suture.patch.patch import Patch
from suture.serve.engine import Engine
from suture.serve.limits import Busy, Closed
from suture.serve.request import GenerationRequest

TEXTS = ["You are a friend.", "The capital of Velmora is a city near the sea", "One", "We went to the mill"]


@pytest.fixture
def patches(llama, behaviour):
    return {
        "kind": surgery(llama, behaviour, rows=20, strength=2.0),
        "turned": steering(llama, behaviour, mode="turn", strength=0.5),
        "late": steering(llama, behaviour, positions="generated", strength=2.0, layers=[2]),
    }


def answered(engine, asks, *, wait=60.0):
    """Submit each ask as a request of its own; returns the last piece of each, with all of its text."""
    told = queue.Queue()
    for number, ask in enumerate(asks):
        engine.submit([ask], lambda _, piece, number=number: told.put((number, piece)))
    texts, last = [""] * len(asks), {}
    while len(last) < len(asks):
        number, piece = told.get(timeout=wait)
        texts[number] += piece.text
        if piece.finish or piece.problem:
            last[number] = piece
    return [(texts[number], last[number]) for number in range(len(asks))]


def alone(lm, patches, ask):
    """What `generate` writes for one prompt with its patches attached."""
    from suture.patch.runtime.multi_patch import attached_together

    with attached_together(lm, patches) as ward:
        ward.set([ask.patches])
        return generate(
            lm, [ask.prompt], max_new_tokens=ask.tokens, temperature=ask.temperature, seed=ask.seed, samples=1
        )[0][0]


@pytest.mark.parametrize("live", [False, True])
def test_each_request_gets_what_it_gets_alone(llama, patches, live):
    mixes = [{}, {"kind": 1.0}, {"turned": 0.5, "kind": -1.0}, {"late": 1.0}]
    asks = [
        GenerationRequest(llama.encode(TEXTS[i % 4]), mixes[i % 3], 4 + 3 * (i % 5), float(i % 2), seed=i, live=live)
        for i in range(24)
    ]
    engine = Engine(llama, patches, rows=5)
    with engine.running():
        found = answered(engine, asks)
    for ask, (text, piece) in zip(asks, found, strict=True):
        assert text == alone(llama, patches, ask)
        assert piece.finish in ("stop", "length")
        assert piece.tokens <= ask.tokens


def test_the_model_is_as_it_was(llama, patches):
    rows = [llama.encode(text) for text in TEXTS]
    before = generate(llama, rows, max_new_tokens=5, temperature=0)
    engine = Engine(llama, patches)
    with engine.running():
        answered(engine, [GenerationRequest(rows[0], {"kind": 3.0}, 5)])
    assert generate(llama, rows, max_new_tokens=5, temperature=0) == before


def test_stop_strings_end_a_text(llama):
    engine, row = Engine(llama, {}), llama.encode(TEXTS[0])
    with engine.running():
        ((whole, _),) = answered(engine, [GenerationRequest(row, tokens=12, temperature=0)])
        stop = whole[5:8]
        ((cut, piece),) = answered(engine, [GenerationRequest(row, tokens=12, temperature=0, stops=[stop])])
    assert cut == whole[: whole.index(stop)]
    assert piece.finish == "stop"


def test_a_smaller_nucleus_draws_from_fewer(llama):
    engine, row = Engine(llama, {}), llama.encode(TEXTS[0])
    with engine.running():
        greedy, small, whole = (
            text
            for text, _ in answered(
                engine,
                [
                    GenerationRequest(row, tokens=8, temperature=0),
                    GenerationRequest(row, tokens=8, temperature=1.0, nucleus=1e-6, seed=3),
                    GenerationRequest(row, tokens=8, temperature=1.0, seed=3),
                ],
            )
        )
    assert small == greedy != whole


class Held:
    """Holds the engine's thread in its first telling until let go."""

    def __init__(self):
        self.inside, self.go = threading.Event(), threading.Event()

    def __call__(self, row, piece):
        self.inside.set()
        assert self.go.wait(60)


def test_the_queue_has_an_end_and_a_request_enters_whole(llama):
    engine, ask = Engine(llama, {}, rows=1, waiting=2), GenerationRequest([5, 6], tokens=3, live=True)
    held, told = Held(), queue.Queue()
    with engine.running():
        engine.submit([ask], held)
        assert held.inside.wait(60)
        engine.submit([ask], lambda *piece: told.put(piece))
        with pytest.raises(Busy, match="too many requests wait"):
            engine.submit([ask, ask], lambda *piece: told.put(piece))
        assert engine.load["waiting"] == 1
        held.go.set()
        while not told.get(timeout=60)[1].finish:
            continue


def test_what_is_cancelled_gives_its_place_to_others(llama):
    engine, long = Engine(llama, {}, rows=1), GenerationRequest([5, 6], tokens=200, temperature=1.0, live=True)
    held = Held()
    with engine.running():
        (ticket,) = engine.submit([long], held)
        assert held.inside.wait(60)
        ticket.cancel()
        held.go.set()
        ((_, piece),) = answered(engine, [GenerationRequest([5, 6], tokens=2)])
    assert piece.finish
    assert len(ticket.speech.ids) < 10


def test_who_is_not_done_when_it_stops_is_told(llama):
    engine, told = Engine(llama, {}), queue.Queue()
    with engine.running(grace=0.0):
        engine.submit([GenerationRequest([5, 6], tokens=240, temperature=1.0)], lambda _, piece: told.put(piece))
    piece = told.get(timeout=60)
    assert isinstance(piece.problem, Closed) or piece.finish
    with pytest.raises(Closed):
        engine.submit([GenerationRequest([5, 6])], lambda *_: None)


def test_a_bug_in_a_batch_is_told_and_the_next_is_answered(llama, monkeypatch, caplog):
    engine = Engine(llama, {})
    with engine.running():
        with monkeypatch.context() as broken:
            broken.setattr("suture.serve.batch.pick", lambda *_: 1 / 0)
            ((_, piece),) = answered(engine, [GenerationRequest([5, 6])])
        assert isinstance(piece.problem, ZeroDivisionError)
        ((_, piece),) = answered(engine, [GenerationRequest([5, 6], tokens=2)])
        assert piece.finish
    assert "a batch failed" in caplog.text


def test_too_much_strength_is_said_and_harms_no_neighbour(llama, patches):
    engine = Engine(llama, patches)
    asks = [
        GenerationRequest(llama.encode(TEXTS[0]), {"late": 1e38}, 4, 0.0),
        GenerationRequest(llama.encode(TEXTS[1]), {}, 4, 0.0),
    ]
    with engine.running():
        (_, broken), (text, _) = answered(engine, asks)
    assert isinstance(broken.problem, UsageError)
    assert text == alone(llama, patches, asks[1])


def test_mistakes_are_said_at_the_door(llama, gpt2, patches, behaviour):
    engine = Engine(llama, patches)
    for ask, words in (
        (GenerationRequest([5], {"rude": 1.0}), "no patch 'rude'"),
        (GenerationRequest([]), "no tokens"),
        (GenerationRequest([5] * 250, tokens=10), "longer than the model can read"),
    ):
        with pytest.raises(UsageError, match=words):
            engine.submit([ask], lambda *_: None)
    with pytest.raises(PatchMismatch):
        Engine(gpt2, {"kind": patches["kind"]})
    table = LowRank(torch.ones(len(llama.tokenizer), 1), torch.ones(1, 32))
    words = Patch.make(llama, {"model.embed_tokens.weight": table}, method="by hand", settings={})
    with pytest.raises(UsageError, match="can not be served"):
        Engine(llama, {"words": words})


def test_doses_of_a_patch_are_those_of_generate(llama, patches):
    row = llama.encode(TEXTS[0])
    with patches["kind"].attached(llama) as dose:
        expected = generate(llama, [row], max_new_tokens=6, seed=4, doses=Doses(dose, [0.25]))[0][0]
    engine = Engine(llama, patches)
    with engine.running():
        assert answered(engine, [GenerationRequest(row, {"kind": 0.25}, 6, 1.0, seed=4)])[0][0] == expected
