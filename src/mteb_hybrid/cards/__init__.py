"""What ``tasks/*.toml`` say: one card per collection.

In come TOML files; out go checked cards, their settings, tasks and translations. Imports neither
mteb nor torch, so that listing tasks stays fast. For `sources`, `evaluation` and all above.
"""
