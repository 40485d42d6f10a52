from .files import write_bytes as write_bytes
from .files import write_text as write_text
