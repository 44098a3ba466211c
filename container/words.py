"""A run's result in a sentence, for people."""

from container.statistics import ClusterStatistics
from geoclusters.run import RunRecord


def summary(record: RunRecord, statistics: ClusterStatistics) -> str:
    """Return what came of a run."""
    return (
        f"{record.k} clusters of {record.rows_usable:,} places, on average "
        f"{distance(statistics.overall_mean_distance_m)} from their centroid."
    )


def distance(distance_m: float) -> str:
    """Return a distance with three digits at most."""
    if distance_m < 1000:
        return f"{distance_m:,.0f} m"
    whole_km = int(distance_m / 1000)
    decimals = max(3 - len(str(whole_km)), 0)
    return f"{distance_m / 1000:,.{decimals}f} km"
