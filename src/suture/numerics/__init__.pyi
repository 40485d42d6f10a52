from .linalg import cosine_table as cosine_table
