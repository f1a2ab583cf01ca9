"""HTML pages and charts, all outside the studio."""
