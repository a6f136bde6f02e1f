"""a2pipe: attention maps, crop boxes, crop embeddings and heads, computed once."""

__version__ = "0.1.0"
