"""Machine translation of queries and of training pairs, with sequence-to-sequence models."""
