"""Studies: research questions as cards, run and answered by one command.

In: a card of ``studies/``, which names recipes, repairs, seeds, collections and claims. Out: models
and results, kept by what made them, and a report of the claims. Used by the commands `study`.
"""
