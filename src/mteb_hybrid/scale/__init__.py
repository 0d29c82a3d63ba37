"""Past memory and past one run: vectors that are kept on disk, and found again.

In come texts and what encodes them; out go vectors, memory-mapped, encoded once for all tasks, runs
and processes that share a folder. For `evaluation` and the commands.
"""
