"""Model cards: ``README.md`` of a model, from its recipe, its metadata and its results.

In come a model's folder and result files; out go the card and its pictures. For the commands
``train`` and ``models card``.
"""
