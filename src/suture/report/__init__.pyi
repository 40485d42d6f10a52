from .page import save as save
from .words import headline as headline
