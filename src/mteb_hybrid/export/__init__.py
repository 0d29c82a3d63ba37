"""Exports: BEIR and TREC folders, data sets for the Hugging Face hub, proposals to MTEB.

In come a collection and its card; out go folders in the layouts of other programs, written whole.
For the command ``export``.
"""
