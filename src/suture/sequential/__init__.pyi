from .ledger import Edit as Edit
from .ledger import Ledger as Ledger
from .sequence import SequentialEditor as SequentialEditor
