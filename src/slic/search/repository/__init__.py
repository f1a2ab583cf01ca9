"""The SQLite database of an index: its schema, its connections, and every SQL statement.

No other module of the package contains SQL. The functions take a connection that `Database`
gives, so the caller decides what belongs to one transaction.
"""

from slic.search.repository.database import Database, is_half_created
from slic.search.repository.schema import DATABASE_FILE, INDEX_FORMAT, IndexSettings

__all__ = ["DATABASE_FILE", "INDEX_FORMAT", "Database", "IndexSettings", "is_half_created"]
