"""Whether what a table holds makes a run."""

from typing import Final

from geoclusters.deadline import SecondsLeft
from geoclusters.errors import TableError
from geoclusters.parameters import LEAST_K
from geoclusters.tables.distinct import DistinctPlaces
from geoclusters.tables.left_out import LeftOut, Reason, in_words
from geoclusters.tables.packing import TOO_LARGE_ADVICE

#: What follows the last row takes a few seconds; the rest is for a slow hour.
LEAST_SECONDS_LEFT: Final = 45
#: The report compares each place with each centroid: at the 3.6e8 comparisons a second
#: that were measured on two busy cores, these take five of its fifteen minutes.
MOST_ROWS_TIMES_K: Final = 10**11

#: What to do where a reason leaves out most of a table's rows.
_ADVICE: Final = {
    Reason.SURPLUS: (
        "A field that holds what separates fields, such as a decimal comma in a table "
        "with commas, must stand in quotation marks, and each column needs a name, "
        "that of row numbers too: open the table in a spreadsheet, put it right, and "
        "save it as “CSV UTF-8”."
    ),
    Reason.MISSING: (
        "If other columns hold the coordinates, name those: `--metadata "
        "latitude=NAME,longitude=NAME`. If not, fill in the coordinates, and upload "
        "the table again."
    ),
    Reason.NOT_A_NUMBER: (
        "Coordinates must be degrees, such as 22.3 and 114.2, or 22.3 N (a hemisphere "
        "is N, S, E or W: O is West in some languages, East in others), or numbers of "
        "the system that `crs` names. Mend the table, and upload it again; or, if "
        "other columns hold them, name those: `--metadata "
        "latitude=NAME,longitude=NAME`."
    ),
    Reason.OUT_OF_RANGE: (
        "Latitudes go from -90 to 90, longitudes from -180 to 180 (of those up to 360 "
        "take 360 away). If these are "
        "projected coordinates, upload with their coordinate reference system, for "
        "example `--metadata crs=EPSG:2326`, the right one."
    ),
    Reason.NULL_ISLAND: (
        "Nothing lies there but sea; programs write 0 where a place is not known. Fill "
        "in the coordinates, and upload the table again."
    ),
}


#: So many rows prove that coordinates are swapped, if nothing speaks against it: one
#: typing error does not.
_LEAST_SWAPPED_SHARE: Final = 0.02
_LEAST_SWAPPED_ROWS: Final = 2


def check_rows(
    left_out: LeftOut,
    *,
    read: int,
    k: int,
    most_left_out_percent: int,
) -> None:
    """Refuse a table with too few usable rows, or too many.

    Raises
    ------
    TableError
        The message says why, and what to do.
    """
    usable = read - left_out.rows
    reasons = left_out.summary()
    found = f"{usable:,} usable of {read:,} rows"
    if reasons:
        found += f" (left out: {in_words(reasons)})"
    if not read:
        msg = (
            "The table names its columns, but has no rows below them. Upload it with "
            "its places."
        )
    elif _are_swapped(left_out, read):
        msg = (
            f"Latitude and longitude look swapped: {left_out.swapped:,} of {read:,} "
            "rows have a latitude beyond ±90 and a longitude that would be one. Swap "
            "the names of the two columns, or name them in the upload's metadata "
            "`latitude` and `longitude`. One column with both, longitude first, must "
            "be called `lonlat`."
        )
    elif left_out.rows * 100 > most_left_out_percent * read:
        most = max(reasons, key=lambda reason: int(reasons[reason]["rows"]))
        msg = (
            f"The table has {found}. More than {most_left_out_percent} % of its rows "
            "can't be used, so something may be wrong with the whole. "
            f"{_ADVICE[Reason(most)]}"
        )
    elif usable < k:
        msg = (
            f"The table has {found}, fewer than the k={k} clusters asked for. "
            f"{_fewer(usable)}"
        )
    elif usable * k > MOST_ROWS_TIMES_K:
        msg = (
            f"{usable:,} places in {k:,} clusters are more than can be measured in one "
            f"run: at most {MOST_ROWS_TIMES_K // k:,} places for this many clusters. "
            "Ask for fewer clusters, or upload a sample of the places."
        )
    else:
        return
    raise TableError(msg)


def check_time(seconds_left: SecondsLeft, *, read: int) -> None:
    """Refuse a table that takes longer to read than the function may.

    To be asked while it can still be answered: a function that is ended tells nobody,
    and would read the same table again.

    Raises
    ------
    TableError
        The message says how many rows were read, and what to do.
    """
    if seconds_left() < LEAST_SECONDS_LEFT:
        msg = (
            "The table takes too long to read in one go: the time was over after "
            f"{read:,} rows. Coordinates as decimal degrees, such as 22.3 and 114.2 in "
            "two columns, are read many times as fast as degrees, minutes and seconds "
            f"or WKT: convert them if they are not. {TOO_LARGE_ADVICE}"
        )
        raise TableError(msg)


def _are_swapped(left_out: LeftOut, read: int) -> bool:
    """Return whether rows prove that latitude and longitude are swapped in all.

    Of a table that reaches around the globe that can be a part of the rows; but none of
    the others then has a longitude that can be no latitude.
    """
    if left_out.swapped > read // 2:
        return True
    least = max(_LEAST_SWAPPED_SHARE * read, _LEAST_SWAPPED_ROWS)
    return left_out.swapped >= least and not left_out.has_far_longitudes


def check_distinct(distinct: DistinctPlaces, *, usable: int, k: int) -> None:
    """Refuse a table with fewer different places than clusters.

    Raises
    ------
    TableError
        The message says so.
    """
    if distinct.is_exact and distinct.count < k:
        msg = (
            f"The table has {usable:,} usable rows, but only {distinct.count:,} "
            f"different places, fewer than the k={k} clusters asked for. "
            f"{_fewer(distinct.count)}"
        )
        raise TableError(msg)


def _fewer(places: int) -> str:
    """Return what to do where there are fewer places than clusters."""
    if places < LEAST_K:
        return f"Upload more places: there can't be fewer clusters than {LEAST_K}."
    return (
        "Upload more places, or ask for fewer clusters, for example with `--metadata "
        f"k={LEAST_K}`."
    )
