"""One training run by a recipe: its folder, log, checkpoints and model.

In comes a recipe; out goes a folder with the trained model and all that is known of its making. For
the command ``train``.
"""
