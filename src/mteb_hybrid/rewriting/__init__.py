"""Queries rewritten in their own language, so that they are harder, and their judgments stay.

In comes a collection, and a perturbation or a language model; out goes the overlay that
`mteb_hybrid.cards.rewritten` describes, with its provenance. For the command ``rewrite``.
"""
