from results.conftest import made

__all__ = ["made"]
