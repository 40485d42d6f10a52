from .talk import Talk as Talk
