from .bundled import behaviour as behaviour
from .examples import Behaviour as Behaviour
from .examples import Contrast as Contrast
from .examples import Fact as Fact
from .examples import Labelled as Labelled
from .examples import Texts as Texts
from .instances import Instance as Instance
from .lessons import Lesson as Lesson
