"""Hybrid batches: which examples meet in a batch, and in which languages.

In comes a parallel dataset and a plan; out go batches of keys, and the callback that puts them into
the trainers of sentence-transformers. For users of the library and `training.run`.
"""
