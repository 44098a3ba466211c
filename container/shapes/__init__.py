"""Clusters as shapes on a map: hulls of their places, and the areas they serve.

Longitude comes before latitude in a shape, as GeoJSON and GeoPackage have it. Shapes
are cut at the antimeridian (RFC 7946, 3.1.9); one with a pole in it reaches to ±90°.
"""

from container.shapes.areas import service_areas
from container.shapes.hulls import Hulls

__all__ = ["Hulls", "service_areas"]
