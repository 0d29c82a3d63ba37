"""Hybrid batch training for sentence-transformers: parallel data, batches, callback, evaluator.

The method is that of Elmahdy, Lin and Ahmad (arXiv:2408.10536): each batch is monolingual with
probability alpha, else cross-lingual.
"""
