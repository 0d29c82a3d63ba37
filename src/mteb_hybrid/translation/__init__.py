"""Machine translation of queries and of training pairs, with sequence-to-sequence models.

In come texts and the name of a model; out go translations, kept as they are made, with a provenance
beside them. For the command ``translate``.
"""
