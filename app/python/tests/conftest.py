"""A demo that every test may look at, and copies of it for those that change something."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import ascan


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `ascan demo`."""
    folder = tmp_path_factory.mktemp("demo") / "ascan-demo"
    ascan.demo(folder, progress=False)
    return folder


@pytest.fixture
def scan(demo: Path, tmp_path: Path) -> ascan.Scan:
    """A scan of 400 pictures in 8 slices, of one's own; the pictures are those of the demo."""
    shutil.copytree(demo / "scan", tmp_path / "scan")
    return ascan.open(tmp_path / "scan")


@pytest.fixture
def pictures(demo: Path) -> list[tuple[Path, str]]:
    """60 pictures of the demo with their class."""
    import csv

    with (demo / "data" / "metadata.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    name = next(key for key in rows[0] if rows[0][key].endswith(".png"))
    return [(demo / "data" / row[name], row["shape"]) for row in rows[::7]][:60]
