"""Perturbations of queries that need no model: a file each, the same bytes for the same seed."""
