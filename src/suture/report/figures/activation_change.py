"""What the edit does to the edited neurons: how often each fires, before and after, on wanted and on unwanted texts.

Source: Wang et al. 2025, "Model Surgery", figure 2. A point is a neuron; above the dashed line it fires more often than
before. An edit meant for unwanted texts lifts the right panel and leaves the left one on the line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ._svg import WIDTH, Scale, axes, legend, line, marker, picture, text

TOP, SIDE = 46, 130
PANELS = ((40, "wanted texts", "--s1", "circle"), (WIDTH - 14 - SIDE, "unwanted texts", "--s2", "triangle"))
MOST = 2_000  # points a panel; of more neurons evenly spaced ones, by their rate before, are drawn


def activation_change(
    wanted: tuple[Sequence[float], Sequence[float]], unwanted: tuple[Sequence[float], Sequence[float]]
) -> str:
    """Draw firing rates before and after.

    Args:
        wanted: for each neuron the share of tokens (0 to 1) on which it fires in wanted texts, before and after.
        unwanted: the same in unwanted texts.

    Raises:
        ValueError: when before and after are not of the same neurons.
    """
    parts, means, thinned = [], [], False
    for (left, name, colour, shape), (before, after) in zip(PANELS, (wanted, unwanted), strict=True):
        x = Scale(0, 100, left, left + SIDE)
        y = Scale(0, 100, TOP + SIDE, TOP)
        rates = sorted((b, a) for b, a in zip(before, after, strict=True) if math.isfinite(b + a))
        points = rates[:: -(-len(rates) // MOST) or 1]
        thinned = thinned or len(points) < len(rates)
        parts += [text(left, 14, name, colour="--fg"), axes(x, y, "before, %", "after, %", x_ticks=2, y_ticks=4)]
        parts.append(line(x(0), y(0), x(100), y(100), "--mute", dash="4 3"))
        for b, a in points:
            parts.append(marker(shape, x(100 * b), y(100 * a), colour, size=2, hollow=True, part="point"))
        if rates:
            mean = [100 * sum(pair[i] for pair in rates) / len(rates) for i in (0, 1)]
            parts.append(marker("plus", x(mean[0]), y(mean[1]), "--fg", size=6))
            means.append(f"{name}: {mean[0]:.1f} % to {mean[1]:.1f} %")
            parts.append(text(left, TOP + SIDE + 48, f"mean {mean[0]:.1f} \u2192 {mean[1]:.1f} %", colour="--fg"))
    signs = [
        (marker("plus", 8, 0, "--fg", size=6), "mean"),
        (line(0, 0, 16, 0, "--mute", dash="4 3"), "fires as often as before"),
    ]
    key, bottom = legend(signs, TOP + SIDE + 68)
    words = (
        f"{len(wanted[0])} edited neurons. Mean share of tokens on which one fires: {'; '.join(means) or 'none'}."
        + (f" At most {MOST} points are drawn." if thinned else "")
    )
    return picture(
        "activation-change", "Firing of the edited neurons, before and after", words, bottom, "".join([*parts, key])
    )
