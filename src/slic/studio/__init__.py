"""The studio: a web page on one's own machine to search, browse and name the moments of an index.

The server speaks to one index. What the page asks for it names by number, never by path; nothing
that the page loads comes from another machine.
"""
