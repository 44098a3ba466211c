import pytest

from geoclusters.errors import ParameterError
from geoclusters.parameters import Parameters


def test_metadata_says_what_is_wanted() -> None:
    metadata = {"k": "7", "latitude": "north", "longitude": "east", "other": "x"}
    parameters = Parameters.from_metadata(metadata, default_k=15)
    assert parameters == Parameters(k=7, latitude="north", longitude="east")


def test_without_metadata_the_defaults_hold() -> None:
    assert Parameters.from_metadata({}, default_k=15) == Parameters(k=15)


@pytest.mark.parametrize(
    "k",
    ["1", "0", "-3", "2.5", "many", "", "10001", "1e2", "1_0", "+5", "²", "9" * 5000],
)
def test_a_k_out_of_bounds_names_key_value_and_bounds(k: str) -> None:
    with pytest.raises(ParameterError) as error:
        Parameters.from_metadata({"k": k}, default_k=15)
    assert f"`k={k[:40]}" in str(error.value)
    assert len(str(error.value)) < 300
    assert "from 2 to 10,000" in str(error.value)


def test_names_beyond_ascii_are_read_as_s3_encodes_them() -> None:
    metadata = {
        "longitude": "=?UTF-8?Q?L=C3=A4nge?=",
        "latitude": "=?UTF-8?B?57ev5bqm?=",
    }
    parameters = Parameters.from_metadata(metadata, default_k=15)
    assert (parameters.latitude, parameters.longitude) == ("緯度", "Länge")


@pytest.mark.parametrize("k", ["15", " 15 ", "015"])
def test_a_whole_number_may_be_written_loosely(k: str) -> None:
    assert Parameters.from_metadata({"k": k}, default_k=2).k == 15


@pytest.mark.parametrize(
    "name", ["=?utf-8?b?a?=", "=?foo?q?abc?=", "=?utf-8?q?=ff?=", "=?", "?="]
)
def test_a_name_that_only_looks_encoded_stays_as_it_is(name: str) -> None:
    assert Parameters.from_metadata({"latitude": name}, default_k=2).latitude == name
