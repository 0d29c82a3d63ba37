"""Results of evaluations, read once.

In come MTEB's result files and the values per query beside them; out go tables, summaries and
comparisons. For `report`, `model_card`, `export` and the commands.
"""
