"""Whether what a table holds makes a run."""

from typing import Final

from geoclusters.errors import TableError
from geoclusters.tables.distinct import DistinctPlaces
from geoclusters.tables.left_out import LeftOut, in_words

#: The report compares each place with each centroid: at the 3.6e8 comparisons a second
#: that were measured on two busy cores, these take five of its fifteen minutes.
MOST_ROWS_TIMES_K: Final = 10**11


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
    reasons = in_words(left_out.summary())
    found = f"{usable:,} usable of {read:,} rows"
    if reasons:
        found += f" (left out: {reasons})"
    if left_out.swapped > max(usable, read // 2):
        msg = (
            f"Latitude and longitude look swapped: {left_out.swapped:,} of {read:,} "
            "rows have a latitude beyond ±90 and a longitude that would be one. Swap "
            "the names of the two columns, or name them in the upload's metadata "
            "`latitude` and `longitude`."
        )
    elif left_out.rows * 100 > most_left_out_percent * read:
        msg = (
            f"The table has {found}. More than {most_left_out_percent} % of its rows "
            "can't be used, so something may be wrong with the whole: coordinates must "
            "be degrees, such as 22.3 and 114.2. Mend the table, and upload it again."
        )
    elif usable < k:
        msg = (
            f"The table has {found}, fewer than the k={k} clusters asked for. Upload "
            "more places, or ask for fewer clusters, for example with `--metadata k=2`."
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
            f"different places, fewer than the k={k} clusters asked for. Ask for fewer "
            "clusters, for example with `--metadata k=2`."
        )
        raise TableError(msg)
