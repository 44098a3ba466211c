"""What a GeoPackage may run when it is opened: nothing."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from container import boundaries
from container.boundaries.geopackage import without_code
from geoclusters.errors import BoundariesError
from tests.container.border_files import altered, frame, geopackage

AREAS = geopackage({"areas": frame()})


def in_schema(sql: str) -> str:
    """Return a statement that plants SQL in a form that SQLite itself doesn't write."""
    return (
        f"INSERT INTO sqlite_schema VALUES ('table', 'planted', 'planted', 0, '{sql}')"
    )


def objects(gpkg: bytes) -> set[tuple[str, str]]:
    """Return the kind and the name of all that a database's schema holds."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(gpkg)
        tables = database.execute("SELECT type, name FROM pragma_table_list")
        schema = database.execute("SELECT type, name FROM sqlite_schema")
        return {*tables, *schema}


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("view", "CREATE VIEW planted AS SELECT 1"),
        ("trigger", "CREATE TRIGGER planted DELETE ON areas BEGIN SELECT 1; END"),
        ("virtual", "CREATE VIRTUAL TABLE planted USING rtree(id, a, b)"),
        ("virtual", in_schema("CREATE  VIRTUAL TABLE planted USING rtree(id, a, b)")),
        ("virtual", in_schema("create/**/virtual TABLE planted USING rtree(id, a, b)")),
    ],
)
def test_code_is_taken_out(kind: str, statement: str) -> None:
    planted = altered(AREAS, statement)
    assert (kind, "planted") in objects(planted)
    clean, _ = without_code(planted)
    left = objects(clean)
    assert ("table", "areas") in left
    assert {kind for kind, _ in left} <= {"table", "index", "shadow"}
    assert boundaries.read(planted, "b.gpkg").names == ["Area 0", "Area 1", "Area 2"]


def test_a_view_in_the_place_of_a_layer_gives_no_areas() -> None:
    planted = altered(
        AREAS,
        "ALTER TABLE areas RENAME TO hidden",
        "CREATE VIEW areas AS SELECT fid, geom, 'of a view' AS name FROM hidden",
    )
    with pytest.raises(BoundariesError, match="Views in it were not read"):
        boundaries.read(planted, "b.gpkg")


def test_a_schema_calls_no_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a loaded extension's: only SQLite's own, and harmless ones of these."""
    called: list[int] = []
    connect = sqlite3.connect

    def spy(value: int) -> int:
        called.append(value)
        return value

    def with_spy(*args: Any, **options: Any) -> sqlite3.Connection:
        database: sqlite3.Connection = connect(*args, **options)
        database.create_function("spy", 1, spy, deterministic=True)
        return database

    monkeypatch.setattr(sqlite3, "connect", with_spy)
    planted = altered(
        AREAS,
        "CREATE TABLE planted (a, b AS (spy(a)) NOT NULL)",
        "INSERT INTO planted VALUES (7)",
    )
    assert called == [7]
    called.clear()
    with pytest.raises(BoundariesError, match=r"unsafe use of spy"):
        without_code(planted)
    assert called == []
