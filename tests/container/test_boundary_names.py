import pytest
from hypothesis import given
from hypothesis import strategies as st

from container.boundaries import names
from container.boundaries.limits import MOST_NAME_CHARACTERS

CITIES = ["Aachen", "Bonn", "Celle", "Dresden"]
CODES = ["DE-A1", "DE-B2", "DE-C3", "DE-D4"]
ONE = ["Germany"] * 4


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        # Hong Kong's districts
        (
            {"TCNAME": ["黃大仙區", "葵青區"], "ENAME": ["WONG TAI SIN", "KWAI TSING"]},
            "ENAME",
        ),
        # GADM
        (
            {
                **{"GID_0": ["DEU"] * 4, "NAME_0": ONE, "NAME_1": ["A", "A", "B", "C"]},
                **{"NAME_2": CITIES, "VARNAME_2": CITIES, "ENGTYPE_2": ["City"] * 4},
            },
            "NAME_2",
        ),
        # Natural Earth
        ({"NAME": CITIES, "NAME_LONG": CITIES, "NAME_EN": CITIES[::-1]}, "NAME_EN"),
        # geoBoundaries
        (
            {"shapeISO": CODES, "shapeName": CITIES, "shapeType": ["ADM2"] * 4},
            "shapeName",
        ),
        # Common operational datasets of the United Nations
        ({"ADM0_EN": ONE, "ADM2_EN": CITIES, "ADM2_PCODE": CODES}, "ADM2_EN"),
        # Eurostat
        ({"NUTS_ID": CODES, "NAME_LATN": CITIES, "NUTS_NAME": CITIES}, "NAME_LATN"),
        # Germany, the United Kingdom, Brazil, Poland, the Netherlands
        ({"AGS": ["01", "02", "03", "04"], "GEN": CITIES, "BEZ": ["Stadt"] * 4}, "GEN"),
        ({"LAD23CD": CODES, "LAD23NM": CITIES}, "LAD23NM"),
        ({"CD_MUN": CODES, "NM_MUN": CITIES, "SIGLA": ["SP"] * 4}, "NM_MUN"),
        (
            {"JPT_KOD_JE": CODES, "JPT_NAZWA_": CITIES, "WAZNY": ["NIE"] * 4},
            "JPT_NAZWA_",
        ),
        ({"statcode": CODES, "statnaam": CITIES}, "statnaam"),
        ({"код": CODES, "Название": CITIES}, "Название"),
        # Japan calls them by number
        ({"N03_001": ["東京都"] * 3, "N03_004": ["港区", "北区", "大田区"]}, "N03_004"),
        # By their values alone
        ({"a": CODES, "b": ONE, "c": CITIES}, "c"),
        ({"district": ["Zone 1", "Zone 2"], "note": ["x y", "z w"]}, "district"),
        # A name may be a number.
        ({"name": ["12", "13"], "url": ["https://a.b", "https://a.c"]}, "name"),
        # What is empty names nothing.
        ({"NAME_EN": [None, "", " ", "Bonn"], "NAME": CITIES}, "NAME"),
    ],
)
def test_the_column_is_found_that_people_would_take(
    columns: dict[str, list[str | None]], expected: str
) -> None:
    found = names.choose(columns)
    assert found is not None
    assert found.column == expected


@pytest.mark.parametrize("columns", [{}, {"code": CODES}, {"text": [None, ""]}])
def test_where_nothing_is_a_name_there_is_no_such_column(
    columns: dict[str, list[str | None]],
) -> None:
    assert names.choose(columns) is None


def test_an_area_without_a_name_has_its_number() -> None:
    assert names.of_features(["Bonn", None, " "]) == ["Bonn", "#2", "#3"]


@given(st.text())
def test_a_name_is_one_short_line(text: str) -> None:
    name = names.clean(text)
    assert len(name) <= MOST_NAME_CHARACTERS
    assert name.isprintable()
    assert name == name.strip()
