"""Into MTEB: the tasks and benchmarks that it is given, and runs of them.

In come cards, collections and a model; out go scores in MTEB's own form and values per query. For
`plugin`, which registers the tasks, `export` and the commands.
"""
