"""A local web page to search, browse and label the moments of an index.

The page refers to videos and moments by number, never by path. It loads nothing from another
machine.
"""
