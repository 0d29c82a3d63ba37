"""Exports: views as BEIR and TREC folders, collections as a data set for the Hugging Face hub."""
