from ._metric import Metric as Metric
from ._metric import metric as metric
from ._metric import metric_named as metric_named
from ._score import Observation as Observation
from ._score import Score as Score
from ._score import paired as paired
