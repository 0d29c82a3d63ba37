from report.conftest import made  # noqa: F401
