from suture.report.figures.separation import separation


def test_every_point_is_drawn_and_said():
    drawn = separation({"tone": {0: 0.7, 1: 0.95}, "attitude": {0: 0.4, 1: 0.6}})
    assert drawn.count('class="point"') == 4
    assert "tone: best in block 1, 0.950" in drawn
    assert "chance" in drawn


def test_nothing_is_drawn_of_nothing():
    assert "<svg" in separation({})
