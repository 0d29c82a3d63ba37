"""Exports: BEIR and TREC folders, data sets for the Hugging Face hub, proposals to MTEB."""
