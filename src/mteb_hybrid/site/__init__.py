"""A site of results that a group publishes: pages, data and a feed, on any number of models.

In come folders of results, and the site that is there; out goes a folder that a web server or a
browser shows as it is. Only a command uses it.
"""
