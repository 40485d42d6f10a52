from .arch.anatomy import Anatomy as Anatomy
from .arch.sites import Site as Site
from .arch.sites import Weight as Weight
from .lm import LM as LM
from .run.generation import generate as generate
from .run.tracing import trace as trace
