import pytest
import torch

from models import tiny_family
from suture.chat.talk import Talk
from suture.data.examples import Behaviour, Labelled
from suture.errors import PatchMismatch, UsageError
from suture.locate.direction import Direction
from suture.locate.directions import directions
from suture.measure.evaluation import evaluate
from suture.measure.suite import Measure
from suture.methods.steering import steering
from suture.model.arch.anatomy import Site
from suture.model.run.tracing import trace
from suture.patch.patch import Patch

KINDS = ("means", "paired", "pca", "logistic")


def term(lm, patch, layer):
    (found,) = patch.terms[lm.anatomy.weight(Site(layer, "attn.o")).tensor]
    return found


def along(lm, direction, layer, texts=("You are a friend.", "Go away.")):
    batch = lm.batch([lm.encode(text) for text in texts])
    with trace(lm, [Site(layer, "residual")]) as seen, torch.no_grad():
        lm.forward(batch)
    return (seen[Site(layer, "residual")].float() @ direction.unit(layer))[batch.mask.bool()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_is_moved_by_its_share_of_the_mean_length(llama, behaviour, kind):
    found = directions(llama, behaviour, kind=kind)
    patch = steering(llama, behaviour, direction=found, layers=[1], strength=0.25)
    assert float(term(llama, patch, 1).vector.norm()) == pytest.approx(0.25 * float(found.sizes[1]), rel=1e-4)
    before = along(llama, found, 1)
    with patch.attached(llama):
        assert torch.allclose(along(llama, found, 1), before - 0.25 * found.sizes[1], atol=1e-3)


def added(lm, patch, layers):
    return [float(term(lm, patch, layer).vector.norm()) for layer in layers]


def test_a_strength_is_shared_by_the_blocks_steered(llama, behaviour):
    """What a block adds stays in the stream: the shares sum to the strength, however many blocks take part."""
    read = directions(llama, behaviour)
    for layers in ([1], [0, 2], [0, 1, 2]):
        patch = steering(llama, behaviour, direction=read, layers=layers, strength=0.3)
        shares = [length / float(read.sizes[i]) for i, length in zip(layers, added(llama, patch, layers), strict=True)]
        assert shares == pytest.approx([0.3 / len(layers)] * len(layers), rel=1e-4)
        apart = steering(llama, behaviour, direction=read, layers=layers, strength=0.3 / len(layers), unit="state")
        assert all(
            torch.allclose(term(llama, patch, i).vector, term(llama, apart, i).vector, rtol=1e-6) for i in layers
        )
    assert steering(llama, behaviour, direction=read).provenance.settings["strength"] == 0.2


def test_a_tenth_in_each_of_four_blocks_is_four_tenths_of_all_to_the_bit(tokenizer, behaviour):
    """What version 0.1.0 did with its defaults, in both units."""
    lm = tiny_family("llama", tokenizer, num_hidden_layers=8)
    read = directions(lm, behaviour)
    now = steering(lm, behaviour, direction=read, strength=0.4)
    before = steering(lm, behaviour, direction=read, unit="state", strength=0.1)
    assert len(now.terms) == 4
    assert {n: t[0].digest() for n, t in now.terms.items()} == {n: t[0].digest() for n, t in before.terms.items()}


def test_vectors_made_elsewhere_are_added_as_they_are_in_every_block(llama, behaviour):
    vectors = {layer: torch.full((32,), float(layer + 1)) for layer in range(3)}
    given = Direction.of_vectors("mine", vectors, {"kind": "mine"})
    patch = steering(llama, behaviour, direction=given, layers=[0, 1, 2], strength=1.0, toward="unwanted")
    assert all(torch.allclose(term(llama, patch, i).vector, vectors[i]) for i in range(3))


def test_toward_the_unwanted_is_the_opposite(llama, behaviour):
    wanted = steering(llama, behaviour, layers=[1])
    unwanted = steering(llama, behaviour, layers=[1], toward="unwanted")
    assert torch.equal(term(llama, wanted, 1).vector, -term(llama, unwanted, 1).vector)


def test_projecting_and_clamping_do_what_they_say(llama, behaviour):
    found = directions(llama, behaviour)
    with steering(llama, behaviour, direction=found, layers=[1], mode="project", strength=1.0).attached(llama):
        assert float(along(llama, found, 1).abs().max()) < 1e-4
    for toward in ("wanted", "unwanted"):
        patch = steering(llama, behaviour, direction=found, layers=[1], mode="clamp", strength=1.0, toward=toward)
        with patch.attached(llama):
            moved = along(llama, found, 1)
        assert torch.allclose(moved, torch.full_like(moved, found.level(1, toward)), atol=1e-3)


def test_heads_are_steered_before_they_are_joined(llama, gpt2, behaviour):
    for lm in (llama, gpt2):
        found = directions(lm, behaviour, kind="heads", heads=2)
        patch = steering(lm, behaviour, direction=found, strength=3.0)
        assert 1 <= len(patch.terms) <= 2
        layer = next(layer for layer in found.layers if bool(found.vector(layer).any()))
        batch, site = lm.batch([lm.encode("You are a friend.")]), Site(layer, "attn.heads")
        with torch.no_grad(), trace(lm, [site]) as seen:
            lm.forward(batch)
        before = seen[site]
        with torch.no_grad(), patch.attached(lm), trace(lm, [site]) as seen:
            lm.forward(batch)
        assert torch.allclose(seen[site], before - 3.0 * found.vector(layer), atol=1e-4)


def test_raw_strength_is_the_difference_itself(llama, behaviour):
    found = directions(llama, behaviour)
    patch = steering(llama, behaviour, direction=found, layers=[2], unit="raw", strength=2.0, toward="unwanted")
    assert torch.allclose(term(llama, patch, 2).vector, 2 * found.vector(2))


def test_the_middle_blocks_are_steered_unless_told(llama, behaviour):
    assert len(steering(llama, behaviour).terms) == 3  # three blocks have no quarter to leave out


def test_a_condition_separates_two_families(llama, behaviour):
    asked = [f"Tell me about {noun}." for noun in "cats dogs trees rivers clouds stones".split()]
    sums = [f"{i} + {i + 1} = ?" for i in range(6)]
    when = Behaviour("sums", tuple(Labelled(t, int(t in sums)) for t in (*asked, *sums)))
    patch = steering(llama, behaviour, condition=when, strength=1.0)
    reads = {t.reads for terms in patch.terms.values() for t in terms}
    assert reads == {llama.anatomy.weight(Site(0, "attn.o")).tensor}  # no later than the first block steered

    def logits(texts):
        with torch.no_grad():
            return llama.forward(llama.batch([llama.encode(text) for text in texts])).logits

    base, other = logits(sums), logits(asked)
    with patch.attached(llama):
        assert torch.equal(logits(asked), other)
        changed = (logits(sums) != base).flatten(1).any(1)
    assert bool(changed.all())


def test_a_file_holds_modes_positions_and_conditions(llama, behaviour, tmp_path):
    when = Behaviour.of("when", ["a b c", "d e f"], ["1 2 3", "4 5 6"])
    for number, settings in enumerate(({"mode": "turn"}, {"positions": "generated"}, {"condition": when})):
        patch = steering(llama, behaviour, layers=[1], **settings)
        loaded = Patch.load(patch.save(tmp_path / f"{number}.safetensors"))
        assert term(llama, loaded, 1).digest() == term(llama, patch, 1).digest()


def test_what_does_not_fit_is_refused(llama, behaviour):
    heads = directions(llama, behaviour, kind="heads")
    with pytest.raises(UsageError, match="adding"):
        steering(llama, behaviour, direction=heads, mode="project")
    wide = Direction("x", "residual", [0], torch.ones(1, 64), torch.ones(1), torch.ones(1, 2))
    with pytest.raises(PatchMismatch):
        steering(llama, behaviour, direction=wide)
    with pytest.raises(UsageError, match="no direction"):
        steering(llama, behaviour, direction=directions(llama, behaviour, layers=[0]), layers=[2])


def test_a_report_has_its_control_and_a_talk_its_two_sides(llama, behaviour):
    patch = steering(llama, behaviour, strength=1.0)
    texts = ["The cat sat on the mat and went away.", "One, two, three, four."]
    measure = Measure("drift", "drift", texts, "note", "lower", "how far the texts move")
    (line,) = evaluate(llama, patch, [measure]).lines
    assert line.score.after > 0
    assert line.itself.after == 0
    assert line.random.after > 0
    reply = Talk(llama, patch).respond("Hello there")
    assert reply.patched is not None
