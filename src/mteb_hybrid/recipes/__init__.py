"""What ``models/*.toml`` say: one recipe per way to train.

In come TOML files; out go checked recipes, and the plan of their batches. For `training` and
`model_card`, which tells how a model was made.
"""
