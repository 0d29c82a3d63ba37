"""The command line: one file per command, each thin.

In come the words of a user; out go lines of text and exit statuses. Nothing imports it but
``__main__`` and the installed script.
"""
