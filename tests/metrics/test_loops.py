import pytest

from suture.metrics import loops, metric_named
from suture.metrics._written import per_prompt


@pytest.mark.parametrize(
    ("text", "stuck"),
    [
        ("", False),
        ("no, no, no", False),
        ("It was late and it was dark and nobody came.", False),
        ("so so so so so so", True),
        ("First it rained. Then the mill the mill the mill the mill", True),
        ("We go home and we go home and we go home and we", True),  # the last turn is not finished
        ("the red cat the red cat the red cat th", True),  # nor is the last word
        ("the mill the mill the mill the mill. Then it ended well.", False),  # it came out again
        ("You are kind. You are clever. You are brave.", False),
        ("THE mill, the Mill! The mill", True),
    ],
)
def test_a_loop_is_a_phrase_said_three_times_at_the_end(text, stuck):
    assert loops.ends_in_loop(text) is stuck


def test_the_share_counts_texts():
    stuck, fine = "so so so so so so", "all is well today"
    seen = per_prompt([[stuck, fine], [fine, fine]], loops.ends_in_loop)
    assert seen.values.tolist() == [0.5, 0.0]
    assert (
        metric_named("loops").score(seen, per_prompt([[fine, fine], [fine, fine]], loops.ends_in_loop)).change == -0.25
    )
