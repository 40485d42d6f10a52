import pytest

from models import tiny_family, tiny_llama
from suture.locate.safety_impact import safety_impact
from suture.report.safety_map import page, save_map


@pytest.mark.parametrize("make", [tiny_llama, lambda t: tiny_family("mixtral", t)])
def test_the_page_says_where_and_how_much(make, tokenizer, behaviour, tmp_path):
    lm = make(tokenizer)
    mask = safety_impact(lm, behaviour, share=0.02, head=True)
    told = page(mask, ["suture map x"])
    assert f"{mask.count:,} of {mask.candidates:,} weights chosen: 2 %" in told
    assert told.count("<svg") == 2
    top = max(mask.about["cells"], key=lambda cell: cell["chosen"])
    assert f"<td>{top['chosen']:,}</td>" in told
    assert "suture map x" in told
    assert save_map(mask, tmp_path).read_text(encoding="utf-8") == page(mask)
    assert "http" not in told
