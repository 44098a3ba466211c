"""A GeoPackage is an SQLite database, and a database may hold code: it is taken out."""

import sqlite3
from contextlib import closing
from typing import Final

from geoclusters.errors import BoundariesError

MAGIC: Final = b"SQLite format 3\0"
#: Two bytes that say whether the newest changes may lie in a file beside this one, by
#: https://www.sqlite.org/fileformat2.html#file_format_version_numbers
_VERSIONS: Final = slice(18, 20)
_AS_LEGACY: Final = b"\x01\x01"

_DAMAGED: Final = "Export or download it again."
#: Views and triggers are queries; virtual tables have the code of extensions behind
#: them. Reading needs none, not even the spatial index. What stays is what begins as
#: SQLite itself writes it: it reads more than that, such as comments between words.
_CODE: Final = """
    DELETE FROM sqlite_schema
    WHERE type NOT IN ('table', 'index')
       OR type = 'table' AND sql NOT LIKE 'CREATE TABLE %'
"""


def without_code(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return a GeoPackage without views, triggers and virtual tables, and notes on it.

    Raises
    ------
    BoundariesError
        If it is damaged, or another SQLite database.
    """
    # What was not merged from a file beside it is lost; the rest is whole.
    data = data[: _VERSIONS.start] + _AS_LEGACY + data[_VERSIONS.stop :]
    try:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
            database.deserialize(data)
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("PRAGMA cell_size_check = ON")
            views = _count(database, "type = 'view'")
            database.execute("PRAGMA writable_schema = ON")
            database.execute(_CODE)
            if not _count(database, "name = 'gpkg_contents' AND type = 'table'"):
                msg = (
                    "it is an SQLite database, but no GeoPackage. Export its borders "
                    "as GeoPackage, and upload that."
                )
                raise BoundariesError(msg)
            (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
            clean = database.serialize()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        msg = f"it is a damaged GeoPackage ({error}). {_DAMAGED}"
        raise BoundariesError(msg) from error
    if verdict != "ok":
        first_line = str(verdict).strip().splitlines()[-1][:100]
        raise BoundariesError(f"it is a damaged GeoPackage ({first_line}). {_DAMAGED}")
    return clean, ("Views in it were not read.",) if views else ()


def _count(database: sqlite3.Connection, condition: str) -> int:
    query = f"SELECT count(*) FROM sqlite_schema WHERE {condition}"
    (count,) = database.execute(query).fetchone()
    return int(count)
