"""A corpus of several languages without judgments: which languages a model favours in its rankings.

In come passages and queries with their languages, and a model with or without a repair, or the
rankings of any program; out go shares, exposure, agreement and separability with intervals, and
what they mean in plain words. For the commands ``probe`` and ``bias``.
"""
