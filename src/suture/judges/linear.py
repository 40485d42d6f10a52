"""A linear judge read from plain arrays: TF-IDF of words and calibrated linear models, as scikit-learn or `training` write them.

    score(x) = mean_i 1 / (1 + exp(a_i * (w_i . x + b_i) + c_i)),   x = tf * idf / |tf * idf|

Shapes: idf (words,), coef w (models, words), intercept b (models,), calib_ab (a, c) (models, 2). Files of the folder: one
`*.npz` with these arrays and one `*vocab*.json` with {"vocabulary": {word: column}, "token_pattern": ..., "labels": [unwanted,
wanted]} (the last two may be absent: words of two letters and more, toxic and clean).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, SutureError
from ..io.files import read_text
from ..io.system import PATH, reported
from ..registry import judge
from ._base import NEITHER, coherent, odds_at
from ._text import visible

if TYPE_CHECKING:
    from numpy.typing import NDArray

ARRAYS = ("idf", "coef", "intercept", "calib_ab")


@judge("linear:FOLDER")
@dataclass(frozen=True)
class Linear:
    """Labels a text by the first label when its score reaches the threshold, else by the second; loops and scraps are NEITHER.

    Attributes:
        folder: where the arrays lie.
        threshold: least score of an unwanted text, in [0, 1].
        labels: see `Judge`; the file's own, if it names any.

    Raises:
        DataError: when the folder does not hold such a model.
    """

    folder: str | Path
    threshold: float = 0.5
    labels: tuple[str, ...] = ("toxic", "clean")
    _arrays: dict[str, NDArray[Any]] = field(init=False, repr=False, compare=False)
    _columns: dict[str, int] = field(init=False, repr=False, compare=False)
    _token: re.Pattern[str] = field(init=False, repr=False, compare=False)

    @classmethod
    def of(cls, rest: str) -> Linear | None:
        """Return the judge that "linear:FOLDER" means."""
        return cls(rest) if rest else None

    def __post_init__(self) -> None:
        arrays, vocabulary = _read(Path(self.folder))
        object.__setattr__(self, "_arrays", arrays)
        object.__setattr__(self, "_columns", vocabulary["vocabulary"])
        object.__setattr__(self, "labels", tuple(vocabulary.get("labels", self.labels)))
        object.__setattr__(self, "_token", re.compile(vocabulary.get("token_pattern", r"(?u)\b\w\w+\b")))

    def __call__(self, prompt: str, text: str) -> str:
        """See `Judge`."""
        return self.many([prompt], [text])[0]

    def many(self, prompts: list[str], texts: list[str]) -> list[str]:
        """Return a label for each text."""
        scores = self.score(texts)
        return [
            NEITHER if not coherent(visible(text)) else self.labels[0 if score >= self.threshold else 1]
            for text, score in zip(texts, scores, strict=True)
        ]

    def chances(self, texts: list[str]) -> list[float]:
        """See `chance_all`."""
        return [odds_at(score, self.threshold) for score in self.score(texts)]

    def score(self, texts: list[str]) -> list[float]:
        """Return the mean calibrated probability that each text is unwanted, in [0, 1]."""
        return [self._probability(text) for text in texts]

    def _probability(self, text: str) -> float:
        import numpy as np

        counts = Counter(
            self._columns[word] for word in self._token.findall(visible(text).lower()) if word in self._columns
        )
        columns = np.fromiter(counts, dtype=np.int64)
        values = np.fromiter(counts.values(), dtype=np.float64) * self._arrays["idf"][columns]
        length = float(np.sqrt((values**2).sum())) or 1.0
        margin = self._arrays["coef"][:, columns] @ (values / length) + self._arrays["intercept"]  # (models,)
        slope, offset = self._arrays["calib_ab"].T
        return float((1 / (1 + np.exp(slope * margin + offset))).mean())


def _read(folder: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    import numpy as np

    matches = [sorted(folder.glob(pattern)) for pattern in ("*.npz", "*vocab*.json")]
    if any(len(files) != 1 for files in matches):
        raise DataError(
            f"{folder} holds no linear judge", why="Needed: one .npz and one *vocab*.json.", fix="Check the folder."
        )
    (numbers,), (words,) = matches
    try:
        with reported(f"can not read {numbers}", fix=PATH), np.load(numbers, allow_pickle=False) as stored:
            arrays = {name: np.asarray(stored[name], dtype=np.float64) for name in ARRAYS}
        vocabulary = json.loads(read_text(words))
        if len(vocabulary.get("labels", ("", ""))) != 2:
            raise ValueError("it needs two labels")
        size, models = len(arrays["idf"]), len(arrays["intercept"])
        fits = arrays["coef"].shape == (models, size) and arrays["calib_ab"].shape == (models, 2)
        if not fits or not all(0 <= column < size for column in vocabulary["vocabulary"].values()):
            raise ValueError("the shapes do not fit each other")
    except SutureError:  # said already
        raise
    except (ValueError, KeyError, TypeError) as problem:
        raise DataError(
            f"{folder} holds no linear judge", why=str(problem), fix="Export its arrays again."
        ) from problem
    return arrays, vocabulary
