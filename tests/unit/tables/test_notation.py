import math
from typing import Literal

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoclusters.tables import notation

#: Signs and letters of a latitude, as (before, behind) of what has no sign.
HEMISPHERES = {
    1: [("", ""), ("+", ""), ("", "N"), ("", " n"), ("N ", ""), ("+", "N")],
    -1: [("-", ""), ("−", ""), ("", "S"), ("", " s"), ("S", ""), ("-", " S")],
}
#: Styles of degrees, minutes and seconds that may have a fraction.
STYLES = [
    "{d}°{m}'{s}\"",
    "{d}° {m}′ {s}″",
    "{d}º{m}’{s}”",
    "{d}˚{m}´{s}´´",
    "{d}°{m}'{s}''",
    "{d}°{m}'{s}",
    "{d}° {m} {s}",
    "{d} {m} {s}",
    "{d}  {m}\u00a0{s}",
    "{d}:{m}:{s}",
    "{d}d{m}m{s}s",
    "{d} deg {m} min {s} sec",
    "{d} degrees {m} minutes {s} seconds",
]


def latitude(text: str | None) -> float:
    return float(notation.degrees(pl.Series([text], dtype=pl.String), "latitude")[0])


def longitude(text: str) -> float:
    return float(notation.degrees(pl.Series([text]), "longitude")[0])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("22.3", 22.3),
        ("22,3", 22.3),
        ("+59.350", 59.35),
        ("-22.3", -22.3),
        ("−22,3", -22.3),
        ("–22.3", -22.3),
        ("'22.3", 22.3),
        ("'-22.3", -22.3),
        ("’+22.3", 22.3),
        (" 22.3\t", 22.3),
        ("\u00a022.3\u202f", 22.3),
        ("\ufeff22.3", 22.3),
        ("\u202a22.3\u202c", 22.3),
        (".5", 0.5),
        ("5.", 5.0),
        ("4e1", 40.0),
        ("836694.05", 836694.05),
    ],
)
def test_plain_numbers_are_read(text: str, number: float) -> None:
    assert notation.numbers(pl.Series([text])).tolist() == [number]
    assert latitude(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(
            ("836694.05", 836694.05),
            ("836,694.05", 836694.05),
            ("836.694,05", 836694.05),
        ),
        *(("836 694.05", 836694.05), ("836\u202f694,05", 836694.05)),
        *(("5'334'567", 5334567), ("5,334,567", 5334567), ("-5.334.567", -5334567)),
        *(("836,694", 836.694), ("836.694", 836.694)),
    ],
)
def test_large_numbers_may_have_separators_of_thousands(
    text: str, number: float
) -> None:
    assert notation.large_numbers(pl.Series([text, None])).tolist()[0] == number


@pytest.mark.parametrize("text", ["83,6694.05", "8366,694.05", "836 69", "1,234.567.8"])
def test_thousands_that_are_none_are_not_guessed(text: str) -> None:
    assert np.isnan(notation.large_numbers(pl.Series([text])))


@pytest.mark.parametrize(
    "text",
    [
        *("nan", "NaN", "inf", "-inf", "Infinity", "1e999", "0x10", "1_000", "1 000"),
        *("836,694.05", "1.2.3", "--1", "+-1", "-", "", " ", "N/A", "22°", "22.3N"),
        *("٢٢", "２２", "1d", "1e", "1e5_", "''1"),
    ],
)
def test_what_is_no_finite_number_is_none(text: str) -> None:
    # Beside one that is, which must not depend on it.
    found = notation.numbers(pl.Series([text, None, "22,3", "4"]))
    np.testing.assert_array_equal(found, [np.nan, np.nan, 22.3, 4])


def test_columns_without_any_text_have_no_numbers() -> None:
    assert notation.numbers(pl.Series([], dtype=pl.String)).tolist() == []
    assert np.isnan(notation.numbers(pl.Series([None, None]))).all()
    assert np.isnan(notation.degrees(pl.Series([None, None]), "latitude")).all()


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("22°18'07.2\"N", 22.302),
        ("22° 18′ 7,2″ N", 22.302),
        ("N 22°18.12'", 22.302),
        ("22 18 07 N", 22 + 18 / 60 + 7 / 3600),
        ("22:18:07", 22 + 18 / 60 + 7 / 3600),
        ("22d18m07s", 22 + 18 / 60 + 7 / 3600),
        ("22D18M07S", 22 + 18 / 60 + 7 / 3600),
        ("22d18m07s S", -(22 + 18 / 60 + 7 / 3600)),
        ("22d18m07N", 22 + 18 / 60 + 7 / 3600),
        ("22d18.12mS", -22.302),
        ("22 deg 18.12 minS", -22.302),
        ("22.3degS", -22.3),
        ("22 DEGREES 18 MINUTES 7.2 SECONDS", 22.302),
        ("-22°18'07\"", -(22 + 18 / 60 + 7 / 3600)),
        ("22º18'07''S", -(22 + 18 / 60 + 7 / 3600)),
        ("22.3°", 22.3),
        ("-22,3 °", -22.3),
        ("22.3 N", 22.3),
        ("22.3s", -22.3),
        ("22.3° South", -22.3),
        ("22 18.12", 22.302),
        ("22°18'", 22.3),
        ("22°", 22.0),
        ("22-18-07.2N", 22.302),
        ("22–18–07.2 N", 22.302),
        ("N22-18.12", 22.302),
        ("-0°30'", -0.5),
        ("'22°18'07.2\"", 22.302),
        ("22Â°18'07.2\"N", 22.302),
        ("22\ufffd18'07.2\"N", 22.302),
        ('22°18\'07.2""N', 22.302),
        ("90.5°N", 90.5),  # out of range, which is for others to say
    ],
)
def test_degrees_are_read_as_people_write_them(text: str, degrees: float) -> None:
    assert latitude(text) == pytest.approx(degrees, abs=1e-12)
    assert latitude(f" \u00a0{text}\n") == latitude(text)


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("114.2W", -114.2),
        ("e 114°12'", 114.2),
        ("114°12′ West", -114.2),
        ("114d12m00s", 114.2),
        ("-114.2 W", -114.2),
    ],
)
def test_longitudes_have_letters_of_their_own(text: str, degrees: float) -> None:
    assert longitude(text) == pytest.approx(degrees, abs=1e-12)


def test_a_letter_of_the_other_axis_is_not_read() -> None:
    assert math.isnan(latitude("22.3E"))
    assert math.isnan(latitude("W22°18'"))
    assert math.isnan(longitude("22.3°N"))
    assert math.isnan(longitude("S 22 18 07"))


@pytest.mark.parametrize(
    "text",
    [
        "-22.3 N",
        "+22.3 S",
        "N 22.3 N",
        "N 22.3 S",
        "22°60'N",
        "22°18'60\"N",
        "22.5°18'N",
        "22°18.5'07\"N",
        "22 18 07 5",
        "22°18'07\"05",
        '22°07"',
        "22'18°",
        "22:18'07",
        "22-18-07",  # without a letter it might be a date
        "22d18m07S",  # South, or seconds?
        "22.3 O",
        "22°18'07\"O",
        "221807N",
        "2218.12N",
        "836 694",
        "2 018",
        "22, 18",
        "N",
        "°",
        "nan N",
        "22°١٨'N",
        "10:30 am",
        "Unknown",
    ],
)
def test_what_could_mean_two_things_or_nothing_is_no_coordinate(text: str) -> None:
    assert math.isnan(latitude(text))
    assert not notation.read(pl.Series([text])).sexagesimal.any()


def test_it_is_told_which_texts_have_minutes() -> None:
    texts = pl.Series(["22.3", "22.3°N", "22°18'N", None, "22 18 07", "Town"])
    expected = [False, False, True, False, True, False]
    assert notation.read(texts).sexagesimal.tolist() == expected


def test_it_is_told_which_axis_a_letter_names() -> None:
    reading = notation.read(pl.Series(["22.3", "22.3S", "22.3 W", "N 22 E", "E"]))
    assert reading.latitude.tolist() == [False, True, False, False, False]
    assert reading.longitude.tolist() == [False, False, True, False, False]


@given(
    seconds=st.integers(0, 90 * 360_000),
    sign=st.sampled_from([1, -1]),
    style=st.sampled_from(STYLES),
    mark=st.sampled_from([".", ","]),
    data=st.data(),
)
def test_hundredths_of_seconds_come_back_from_every_style(
    seconds: int,
    sign: Literal[1, -1],
    style: str,
    mark: str,
    data: st.DataObject,
) -> None:
    minutes, hundredths = divmod(seconds, 6000)
    before, behind = data.draw(st.sampled_from(HEMISPHERES[sign]))
    text = style.format(
        d=minutes // 60,
        m=f"{minutes % 60:02}",
        s=f"{hundredths // 100:02}{mark}{hundredths % 100:02}",
    )
    if text.endswith("s") and behind == "S":  # "07sS", as nobody writes it
        behind = " S"
    expected = sign * seconds / 360_000
    assert latitude(before + text + behind) == pytest.approx(expected, abs=1e-9)


@given(
    degrees=st.floats(-90, 90),
    style=st.sampled_from(["{0:.9f}", "{0:+.9f}", "{0:.9f}°", "{1:.9f}{2}", "{2}{1}°"]),
)
def test_decimal_degrees_come_back(degrees: float, style: str) -> None:
    degrees = round(degrees, 9)
    plain = f"{abs(degrees):.9f}"
    text = style.format(degrees, float(plain), "S" if degrees < 0 else "N")
    if "e" in text:
        return  # Python's own way to write what is next to nothing
    assert latitude(text) == pytest.approx(degrees, abs=1e-9)
    assert latitude(text.replace(".", ",")) == pytest.approx(degrees, abs=1e-9)
