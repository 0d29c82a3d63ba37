"""Model cards: ``README.md`` of a model, from its recipe, its metadata and its results."""
