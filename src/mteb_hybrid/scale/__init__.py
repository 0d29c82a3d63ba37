"""Past memory, one run and one machine: vectors that are kept on disk, and workers of Ray.

In come texts and what encodes them; out go vectors, memory-mapped, encoded once for all tasks, runs
and processes that share a folder, and by as many workers as there are. For `evaluation` and the
commands.
"""
