import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoclusters.spreadsheet import as_text, as_texts


@pytest.mark.parametrize(
    "formula",
    [
        "=cmd|' /C calc'!A0",
        "+cmd|' /C calc'!A0",
        "-2+3+cmd|' /C calc'!A0",
        '@SUM(1+1)*HYPERLINK("https://example.org")',
        "\t=1+1",
        "\r=1+1",
        "\n=1+1",
        "\tdepot",
        " =1+1",
        "\xa0\ufeff=1+1",
        "\0=1+1",
        "＝1+1",
        "-1-2",
        "+49 30 123456",
        "-12\n",
    ],
)
def test_a_text_that_a_spreadsheet_would_run_gets_an_apostrophe(formula: str) -> None:
    assert as_text(formula).startswith("'")
    assert as_text(formula).replace("'", "") == formula.replace("'", "")


@pytest.mark.parametrize(
    "text",
    [
        *("-12", "+59.350", "-0,5", "+.5", "-1.", "-1.5e-7", "-", "+"),
        *("", "depot", "12", "a=b", "a-b", "a@example.org", "'=1", "Ö-1", "緯度"),
        *("x; y", "no. 3;4"),
    ],
)
def test_a_number_and_any_other_text_stay_as_they_are(text: str) -> None:
    assert as_text(text) == text


def test_a_formula_behind_a_semicolon_is_none_where_lines_are_cut_there() -> None:
    assert as_text("depot;=1+1") == "depot;'=1+1"
    assert as_text("depot\t =1+1;@a") == "depot\t '=1+1;'@a"
    assert as_text("=1;=2") == "'=1;'=2"
    assert as_text("\t=1") == "'\t'=1"


def test_a_column_keeps_what_it_has_none_of() -> None:
    ids = pl.Series("id", ["-12", None, "depot", "=1"])

    assert as_texts(ids).to_list() == ["-12", None, "depot", "'=1"]
    assert as_texts(ids[:3]).to_list() == ids[:3].to_list()
    assert as_texts(pl.Series([None, None], dtype=pl.String)).to_list() == [None, None]


@given(st.lists(st.text("=+-@＝ \t\r\n;,.\0\xa0\ufeff'\"a1e", max_size=8)))
def test_a_column_is_treated_as_its_texts_are(texts: list[str]) -> None:
    column = as_texts(pl.Series(texts, dtype=pl.String))

    assert column.to_list() == [as_text(text) for text in texts]


@given(st.text("=+-@ \t\r\n;'a1.", max_size=8))
def test_a_text_is_made_harmless_once(text: str) -> None:
    assert as_text(as_text(text)) == as_text(text)
