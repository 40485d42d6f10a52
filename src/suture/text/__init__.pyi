from .spacing import gap as gap
from .spacing import joined as joined
