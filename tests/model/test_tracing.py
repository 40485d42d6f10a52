import pytest
import torch

from suture.errors import UsageError
from suture.model.arch.anatomy import ACTIVATIONS, EMBED, FINAL, Site
from suture.model.run.tracing import trace

TEXTS = ["You are a friend.", "The capital of Velmora is"]


def run(lm):
    with torch.no_grad():
        return lm.forward(lm.batch([lm.encode(t) for t in TEXTS])).logits


def everywhere(lm):
    return [Site(layer, part) for layer in range(lm.anatomy.layers) for part in ACTIVATIONS] + [EMBED, FINAL]


def test_reading_changes_nothing_and_reads_all_sites(tiny):
    plain = run(tiny)
    with trace(tiny, everywhere(tiny)) as seen:
        assert torch.equal(run(tiny), plain)
    assert set(seen) == set(everywhere(tiny))
    assert torch.equal(run(tiny), plain)


def test_capture_then_reinject_is_bit_identical(tiny):
    plain = run(tiny)
    with trace(tiny, everywhere(tiny)) as seen:
        run(tiny)
    kept = {site: value.clone() for site, value in seen.items()}
    with trace(tiny, edit={site: (lambda _, value=value: value) for site, value in kept.items()}):
        assert torch.equal(run(tiny), plain)


def test_sites_are_what_they_say(llama):
    with trace(llama, everywhere(llama)) as seen:
        logits = run(llama)
    block = llama.anatomy.blocks[1]
    assert torch.equal(seen[Site(1, "residual.in")], seen[Site(0, "residual")])
    inside = seen[Site(1, "residual.in")] + seen[Site(1, "attn.out")]
    assert torch.allclose(block.post_attention_layernorm(inside), seen[Site(1, "mlp.in")], atol=1e-6)
    assert torch.allclose(inside + seen[Site(1, "mlp.out")], seen[Site(1, "residual")], atol=1e-6)
    assert torch.allclose(block.mlp.down_proj(seen[Site(1, "mlp.key")]), seen[Site(1, "mlp.out")], atol=1e-6)
    assert torch.allclose(llama.model.lm_head(seen[FINAL]), logits, atol=1e-5)


def test_the_top_residual_is_before_the_final_norm(llama):
    with trace(llama, [Site(2, "residual"), FINAL]) as seen:
        run(llama)
    assert torch.allclose(llama.model.model.norm(seen[Site(2, "residual")]), seen[FINAL], atol=1e-6)


def test_stopping_computes_nothing_deeper(llama):
    visited = []
    handles = [
        block.register_forward_hook(lambda *_, layer=layer: visited.append(layer))
        for layer, block in enumerate(llama.anatomy.blocks)
    ]
    with trace(llama, [Site(0, "residual"), Site(1, "mlp.in")], stop=True) as seen:
        run(llama)
        raise AssertionError("the pass should have ended")
    for handle in handles:
        handle.remove()
    assert visited == [0]
    assert set(seen) == {Site(0, "residual"), Site(1, "mlp.in")}


def test_no_hook_survives_an_exception(llama):
    plain = run(llama)
    with pytest.raises(ValueError, match="boom"), trace(llama, edit={Site(0, "mlp.out"): lambda h: h * 0}):
        raise ValueError("boom")
    assert torch.equal(run(llama), plain)


def test_an_edit_is_seen_downstream(llama):
    with trace(llama, [Site(2, "residual.in")], edit={Site(1, "residual"): torch.zeros_like}) as seen:
        run(llama)
    assert not seen[Site(2, "residual.in")].any()


def test_unknown_sites_are_refused(llama):
    with pytest.raises(UsageError), trace(llama, [Site(0, "nowhere")]):
        pass
