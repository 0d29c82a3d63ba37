"""From a collection to exact ranks, without mteb and without torch.

In come passages, queries and judgments, and the vectors or scores of some model; out go views (one
retrieval problem each), encoded texts and the ranks of relevant passages. All rooms above use it.
"""
