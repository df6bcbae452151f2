"""Attribution Scanner: find the groups of images on which an image classifier fails, and see why.

    import ascan

    scan = ascan.scan("model.onnx", "photos/", out="scan/")
    scan.samples.to_pandas()
    scan.mosaic()

This package runs the program `ascan`, which the same wheel installs, and reads its open files.
"""

from __future__ import annotations

from .benching import Bench, bench
from .embedded import embeddings
from .errors import AscanError, AscanWarning, SettingsError, Stopped
from .opened import Scan
from .plugins import Plugin, attributor, projector, slicer
from .results import Comparison, Picture, Repair, Spread, Suggestion
from .scanning import demo, open, scan  # noqa: A004
from .slices import Slice, Slices

__all__ = [
    "AscanError",
    "AscanWarning",
    "Bench",
    "Comparison",
    "Picture",
    "Plugin",
    "Repair",
    "Scan",
    "SettingsError",
    "Slice",
    "Slices",
    "Spread",
    "Stopped",
    "Suggestion",
    "attributor",
    "bench",
    "demo",
    "embeddings",
    "open",
    "projector",
    "scan",
    "slicer",
]
