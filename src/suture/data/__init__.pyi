from .bundled import behaviour as behaviour
from .examples import Behaviour as Behaviour
from .examples import Fact as Fact
from .examples import Labelled as Labelled
from .examples import ResponsePair as ResponsePair
from .examples import Texts as Texts
from .instances import Instance as Instance
from .lessons import Instruction as Instruction
