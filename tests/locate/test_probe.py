from dataclasses import replace

import pytest
import torch

from models import snapshot
from suture.data.examples import Behaviour, Labelled
from suture.errors import UsageError
from suture.locate.probe import Probe, fit_probe, random_probe
from suture.model.arch.anatomy import FINAL
from suture.model.run.features import extract


@pytest.mark.parametrize("space", ["mlp.in", "residual", "final"])
def test_a_probe_has_a_direction_per_layer_and_leaves_the_model_alone(tiny, behaviour, space):
    before = snapshot(tiny)
    probe = fit_probe(tiny, behaviour, space=space)
    assert snapshot(tiny) == before
    assert probe.unwanted.shape == ((1, 32) if space == "final" else (3, 32))
    assert probe.layers == ([-1] if space == "final" else [0, 1, 2])
    assert torch.equal(probe.wanted, -probe.unwanted)
    assert probe.scores[0].train + probe.scores[0].held_out == len(behaviour.examples)


def test_the_direction_separates_the_classes(patient):
    from suture.organisms.suites import behaviour

    probe = fit_probe(patient, behaviour("tone", 200), space="final")
    assert probe.scores[0].accuracy >= 0.9
    assert probe.scores[0].auc >= 0.95


def test_the_same_seed_gives_the_same_bytes(llama, behaviour, tmp_path):
    a = fit_probe(llama, behaviour).save(tmp_path / "a").read_bytes()
    b = fit_probe(llama, behaviour).save(tmp_path / "b").read_bytes()
    assert a == b


def test_a_probe_file_gives_the_probe_back(llama, behaviour, tmp_path):
    probe = fit_probe(llama, behaviour, layers=[0, 2])
    loaded = Probe.load(probe.save(tmp_path / "p"))
    assert torch.equal(loaded.direction(2), probe.direction(2))
    assert loaded.scores == probe.scores
    with pytest.raises(UsageError, match="block 1 has no probe"):
        loaded.direction(1)


def test_the_papers_recipe_to_the_letter(llama, behaviour):
    """Trains torch's own linear layer with the constants of Table 14 and compares."""
    probe = fit_probe(llama, behaviour, parity="paper", seed=3)
    train, _ = behaviour.split(0.1, 3)
    x = extract(llama, train.examples, [FINAL], pool="mean_with_bos", max_tokens=100)[:, 0]
    y = torch.tensor(train.labels)
    g = torch.Generator().manual_seed(3)
    head = torch.nn.Linear(32, 2)
    bound = 32**-0.5
    with torch.no_grad():
        head.weight.copy_((torch.rand(2, 32, generator=g) * 2 - 1) * bound)
        head.bias.copy_((torch.rand(2, generator=g) * 2 - 1) * bound)
    adam = torch.optim.Adam(head.parameters(), lr=1e-4)
    for _ in range(9):
        for part in torch.randperm(len(x), generator=g).split(16):
            adam.zero_grad()
            torch.nn.functional.cross_entropy(head(x[part]), y[part]).backward()
            adam.step()
    assert probe.space == "final"
    assert torch.allclose(probe.wanted[0], head.weight[0].detach(), atol=1e-6)
    assert torch.allclose(probe.unwanted[0], head.weight[1].detach(), atol=1e-6)


def features_by_hand(lm, texts):
    """The paper's x: the text alone with its start token, at most 100 tokens, the mean of the last hidden states."""
    means = []
    for text in texts:
        ids = torch.tensor([lm.tokenizer(text)["input_ids"][:100]])
        with torch.no_grad():
            states = lm.model(input_ids=ids, output_hidden_states=True).hidden_states[-1]
        means.append(states[0].float().mean(0))
    return torch.stack(means)


@pytest.mark.parametrize("prompt", ["Who are you?", "Say it. " * 30])
def test_the_papers_recipe_reads_the_text_alone(llama, behaviour, prompt):
    """Whatever request a text answers, and however long that is: the authors encode the text, nothing around it."""
    asked = Behaviour("tone", tuple(replace(example, prompt=prompt) for example in behaviour.examples))
    found, plain = (fit_probe(llama, texts, parity="paper", seed=3) for texts in (asked, behaviour))
    assert torch.equal(found.unwanted, plain.unwanted)
    train, held = asked.split(0.1, 3)
    x = features_by_hand(llama, [example.text for example in (*train.examples, *held.examples)])
    labels = torch.tensor([example.label for example in (*train.examples, *held.examples)])
    logit = x @ (found.unwanted[0] - found.wanted[0]) + found.bias[0]
    right = (logit > 0).long() == labels
    assert found.scores[0].train_accuracy == pytest.approx(float(right[: len(train.examples)].double().mean()))
    assert found.scores[0].accuracy == pytest.approx(float(right[len(train.examples) :].double().mean()))
    assert not torch.allclose(fit_probe(llama, asked, space="final", pool="mean_with_bos").unwanted,
                              fit_probe(llama, behaviour, space="final", pool="mean_with_bos").unwanted)  # fmt: skip


def test_the_papers_recipe_cuts_the_text_at_100_tokens_and_not_its_request(llama, behaviour):
    texts = [e.text + " Then they went on and on about it." * 12 for e in behaviour.examples]
    labels = behaviour.labels
    long = Behaviour("long", tuple(Labelled(t, y, "Who are you? " * 30) for t, y in zip(texts, labels, strict=True)))
    cut = [llama.tokenizer.decode(llama.tokenizer(text)["input_ids"][1:100]) for text in texts]
    short = Behaviour("short", tuple(Labelled(t, y) for t, y in zip(cut, labels, strict=True)))
    assert torch.allclose(
        features_by_hand(llama, cut), extract(llama, short.examples, [FINAL], pool="mean_with_bos")[:, 0], atol=1e-5
    )
    found, expected = (fit_probe(llama, texts, parity="paper") for texts in (long, short))
    assert torch.allclose(found.unwanted, expected.unwanted, atol=1e-6)


def test_a_random_probe_has_the_same_norms(llama, behaviour):
    probe = fit_probe(llama, behaviour)
    control = random_probe(probe, 5)
    assert torch.allclose(control.unwanted.norm(dim=1), probe.unwanted.norm(dim=1))
    assert torch.cosine_similarity(control.unwanted, probe.unwanted).abs().max() < 0.7


def test_an_unknown_space_is_refused(llama, behaviour):
    with pytest.raises(UsageError, match="no space"):
        fit_probe(llama, behaviour, space="attic")


def test_two_models_do_not_mix(llama, gpt2, behaviour):
    first = fit_probe(llama, behaviour).unwanted
    fit_probe(gpt2, behaviour)
    assert torch.equal(fit_probe(llama, behaviour).unwanted, first)


def test_a_behaviour_needs_both_classes():
    with pytest.raises(UsageError, match="too few"):
        Behaviour.of("x", ["a", "b", "c"], ["d"])
