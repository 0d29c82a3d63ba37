"""What a model makes of training data once, before training: hard negatives and teachers' labels.

In come parallel JSON lines or a collection, and a model; out goes the same data with negatives or
labels. Vectors and scores are kept in a folder beside the output until that is whole, so that a run
that was killed goes on. For the commands ``mine`` and ``teach``.
"""
