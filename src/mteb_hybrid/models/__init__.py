"""Models to evaluate: by MTEB's name, from a folder, registered by their user, or offline.

In comes a name or a folder; out goes a model that MTEB can evaluate, and what MTEB is told of it.
For `evaluation`, `recipes`, training and the commands.
"""
