"""The tests of `mteb_hybrid.site`; Python has a module named site."""
