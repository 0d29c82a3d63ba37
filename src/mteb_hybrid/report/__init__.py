"""Reports on results: tables, figures and one HTML page. `load_results` is where to start."""

from mteb_hybrid.results.results import Results, load_results

__all__ = ["Results", "load_results"]
