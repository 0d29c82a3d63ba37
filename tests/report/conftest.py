"""The made-up results that the tests of `results` have."""

from results.conftest import made

__all__ = ["made"]
