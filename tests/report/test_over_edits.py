"""The picture of what becomes of earlier edits."""

import re

from suture.report.figures.over_edits import over_edits
from suture.report.figures.rows_per_layer import rows_per_layer


def test_every_share_is_drawn_and_said():
    drawn = over_edits([5, 10, 15], {"edits that hold": [100.0, 90.0, 46.7], "<b>others</b>": [80.0, 70.0, 60.0]})
    assert len(re.findall('class="point"', drawn)) == 6
    assert "46.7 % of 15" in drawn
    assert "&lt;b&gt;others" in drawn
    assert "<b>" not in drawn
    heights = [float(y) for y in re.findall(r'class="point"[^>]*translate\([\d.]+ ([\d.]+)\)', drawn)][:3]
    assert heights == sorted(heights)  # less is lower on the page


def test_a_single_point_is_no_trouble():
    assert "100.0 % of 1" in over_edits([1], {"edits that hold": [100.0]})


def test_bars_of_blocks_say_other_sizes_than_counts():
    drawn = rows_per_layer({0: 0.0, 1: 12.345}, what="moved, % of its norm", title="How far", name="moved")
    assert "block 1: 12.3 moved, % of its norm" in drawn
    assert '<title id="moved-title">How far</title>' in drawn
