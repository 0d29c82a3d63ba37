"""What every HTML page is made with: templates whose values are escaped, a style, a table library.

In come templates of a room above and values; out goes HTML that asks nothing of the network. For
`report`, `explore` and `site`.
"""
