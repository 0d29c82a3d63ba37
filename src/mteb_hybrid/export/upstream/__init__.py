"""To others' repositories: a task proposed to MTEB, and results submitted to it.

In come cards, statistics and result files; out go folders ready for a pull request, and a list of
what is wrong with them. For the commands ``export`` and ``submit``.
"""
