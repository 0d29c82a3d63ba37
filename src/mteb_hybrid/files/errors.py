"""Errors of files that are read and written."""


class ExportError(ValueError):
    """An export that cannot be made. The message names the file, what is wrong and the remedy."""


class DataError(ValueError):
    """Data that cannot be used. The message names the file, what was expected and the remedy."""
