"""Hybrid batch training for sentence-transformers: parallel data, batches, callback, evaluator.

The method is that of Elmahdy, Lin and Ahmad (arXiv:2408.10536): each batch is monolingual with
probability alpha, else cross-lingual. In come parallel texts and a recipe or the user's own
trainer; out goes a trained model. For users of the library and the command ``train``.
"""
