"""Reports on results: tables, figures and one HTML page. `load_results` is where to start.

In come results that were read, and what repaired models tell of their repairs; out goes a page that
needs nothing else, and its figures and tables as files. For `model_card`, `training`, which draws
its curves in the same style, and the commands.
"""

from mteb_hybrid.results.results import Results, load_results

__all__ = ["Results", "load_results"]
