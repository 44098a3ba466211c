"""What a file of borders may ask for. All of it was measured: see the tests."""

from typing import Final

#: The largest file, as it lies in the bucket; who fetches it may stop one byte later.
MOST_BYTES: Final = 50_000_000
#: What may come out of a zip archive, in all.
MOST_UNPACKED_BYTES: Final = 200_000_000
#: Files in a zip archive, and layers in a GeoPackage.
MOST_ENTRIES: Final = 10_000
MOST_LAYERS: Final = 100
#: A municipality each for the largest countries.
MOST_FEATURES: Final = 100_000
MOST_VERTICES: Final = 2_000_000
#: Of a name; a longer one is cut.
MOST_NAME_CHARACTERS: Final = 100

#: For reading a file, by the processor's clock and by the wall's, …
MOST_CPU_SECONDS: Final = 60
MOST_SECONDS: Final = 120.0
#: … and for finding the areas that centroids stand in.
MOST_AREA_SECONDS: Final = 30.0
#: Address space of the process that reads a file. Lambda's 2,048 MB hold this and what
#: the report needs at that time.
MOST_MEMORY_BYTES: Final = 1_200_000_000
#: What it may answer, and complain.
MOST_ANSWER_BYTES: Final = 256_000_000

#: Vertices of the simplified borders, from fine to coarse; see `Boundaries.outline`.
OUTLINE_VERTICES: Final = (200_000, 50_000, 10_000)
