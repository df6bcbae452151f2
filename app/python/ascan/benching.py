"""`ascan.bench`: slicers side by side on tables with a planted slice."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import program
from .plugins import Plugin
from .settings import Settings, document

if TYPE_CHECKING:
    import pyarrow as pa


class Bench:
    """What `ascan bench slicers` found.

    Attributes:
        path: Folder with tables and plots.
        report: Everything that the program says.
    """

    def __init__(self, path: Path, report: dict[str, Any]) -> None:
        self.path = path
        self.report = report

    @property
    def table(self) -> pa.Table:
        """One row per figure, as a `pyarrow.Table`: `method`, `table`, `setting`, `seed`, `slice`, `figure`, `value`."""
        from pyarrow import csv

        return csv.read_csv(self.path / "table.csv")

    @property
    def errors(self) -> dict[str, str]:
        """What went wrong, by method; empty if all worked."""
        return {result["job"]["name"]: result["error"] for result in self.report["results"] if result["error"]}

    def __repr__(self) -> str:
        return (self.path / "table.md").read_text(encoding="utf-8")

    def _repr_markdown_(self) -> str:
        return repr(self)


def bench(
    slicers: Sequence[str | Plugin],
    *,
    out: str | os.PathLike[str],
    settings: Settings | None = None,
    progress: bool = True,
) -> Bench:
    """Compares slicers, those in Python among them, on tables in which a slice was planted.

    Args:
        slicers: Names, or slicers in Python (`ascan.slicer`).
        out: Folder for tables and plots; an unfinished benchmark there goes on.
        settings: Settings of the benchmark by their dotted keys: `{"planted.n_rows": 1000, "slicers.kmeans.params.n_slices": 20}`.
        progress: Whether bars and notes are shown.

    Raises:
        SettingsError: For unknown names or settings.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    chosen: dict[str, Any] = {}
    for slicer in slicers:
        if isinstance(slicer, Plugin):
            chosen[f"slicers.{slicer.name}.plugin"] = "process"
            chosen[f"slicers.{slicer.name}.params"] = slicer.params(folder.with_name(f"{folder.name}.inputs"), {})
        else:
            chosen[f"slicers.{slicer}.plugin"] = slicer
    config = folder.with_name(f"{folder.name}.toml")
    config.write_text(document(chosen | dict(settings or {})), encoding="utf-8")
    report = program.run("bench", "slicers", config, "--out", out, "--only", "planted", progress=progress).output
    return Bench(folder, report)
