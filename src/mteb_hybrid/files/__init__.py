"""Files of any kind, read and written.

In come paths; out go lines, rows and archives unpacked, or an error that names the file. Knows
nothing of collections. Any room may use it, and it uses none but `languages`.
"""
