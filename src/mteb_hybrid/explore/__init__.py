"""A page to look at every query with: where its answers stand, and what stands above them.

In come results whose runs kept the first passages of each ranking; out goes a folder that a browser
reads from a disk. For the commands.
"""
