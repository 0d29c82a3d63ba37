"""Language codes, names and traits.

In comes a code as people write it; out goes one form of it, and what is known of the language: its
family, script and resource class. Any room may use it, and it uses none.
"""
