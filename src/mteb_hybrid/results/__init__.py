"""MTEB's result files, read once: what a table, a report, a model card and a comparison share.

In come folders of results; out go `Results` (every score), a summary of them (means with what they
were taken over), and comparisons of values per query. Whatever shows results may use it; it knows
nothing of how they are shown but as a table of text.
"""
