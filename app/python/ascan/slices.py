"""The slices of a scan: groups of images that look alike to the model."""

from __future__ import annotations

import html
import tempfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from . import program, tables
from .errors import AscanError
from .results import Picture

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .opened import Scan


class Slice:
    """One slice.

    Attributes:
        id: Its number, which the window, the mosaic and the command line use.
        size: Number of images.
        accuracy: Share of right predictions in 0 to 1; `None` without labels.
        interval: 95 % interval of the accuracy; `None` without labels.
        report: Everything that the program knows of it, as in `report.json`.
    """

    def __init__(self, scan: Scan, slice_set: str, report: dict[str, Any], rows: npt.NDArray[np.int64]) -> None:
        self._scan = scan
        self.slice_set = slice_set
        self.report = report
        self.id: int = report["id"]
        self.size: int = report["size"]
        self.accuracy: float | None = report["accuracy"]
        interval = report["interval"]
        self.interval: tuple[float, float] | None = tuple(interval) if interval else None
        #: `[size]`, rows of the scan, rising.
        self.rows = rows

    @cached_property
    def images(self) -> list[str]:
        """Paths of its images, the most typical ones first as far as the report names them, then by row."""
        paths = self._scan._base["path"]
        first = [row for row in self.report["typical"] if row < len(paths)]
        rest = sorted(set(self.rows.tolist()) - set(first))
        return [paths[row].as_py() for row in first + rest]

    @property
    def needs_verdict(self) -> bool:
        """Whether it is clearly worse than the other images."""
        return bool(self.report["needs_verdict"])

    @property
    def title(self) -> str:
        """What most of its images are: `disc → square` for discs that are taken for squares."""
        cells = self.report["confusion"]
        if not cells:
            return ""
        label, predicted = (self._scan._class_name(cells[0][key]) for key in ("label", "predicted_class"))
        return predicted if label in (predicted, "") else f"{label} → {predicted}"

    def mark(self, verdict: str, note: str = "") -> None:
        """Gives a verdict on this slice, as `Scan.mark`."""
        self._scan.mark(self, verdict, note=note)

    def picture(self) -> Picture:
        """Its images with their heat maps, as the window shows them."""
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "slice.png"
            which = ["--slices", self.slice_set, "--select", str(self.id)]
            program.run("review", self._scan.path, "--view", "detail", "--screenshot", made, *which, as_json=False)
            return Picture(made.read_bytes())

    def __len__(self) -> int:
        return self.size

    def __repr__(self) -> str:
        right = "" if self.accuracy is None else f", {self.accuracy:.0%} right"
        worse = ", clearly worse" if self.needs_verdict else ""
        return f"<slice {self.id} of {self.slice_set}: {self.title}, {self.size} images{right}{worse}>"


class Slices(Sequence[Slice]):
    """The slices of one set, those that are clearly worse than the rest first."""

    def __init__(self, scan: Scan, slice_set: str) -> None:
        import numpy as np

        self._scan = scan
        #: The slice set's name: the slicer's, and a hash of its settings.
        self.id = slice_set
        #: How it was made and what was found, as in `report.json`.
        self.report: dict[str, Any] = tables.load_json(scan.path / "slices" / slice_set / "report.json")
        #: `[n]`, the slice of each image, -1 for one in no slice.
        self.assignment: npt.NDArray[np.int32] = tables.assignment(scan.path, slice_set).to_numpy()
        self._slices = [
            Slice(scan, slice_set, report, np.flatnonzero(self.assignment == report["id"])) for report in self.report["slices"]
        ]

    def by_id(self, number: int) -> Slice:
        """The slice with this number.

        Raises:
            KeyError: If there is none; the message names those that exist.
        """
        for found in self._slices:
            if found.id == number:
                return found
        known = ", ".join(str(found.id) for found in sorted(self._slices, key=lambda found: found.id))
        raise KeyError(f"{self.id} has no slice {number}; there are {known}")

    @overload
    def __getitem__(self, index: int) -> Slice: ...
    @overload
    def __getitem__(self, index: slice) -> list[Slice]: ...
    def __getitem__(self, index: int | slice) -> Slice | list[Slice]:
        try:
            return self._slices[index]
        except IndexError:
            text = f"there are {len(self)} slices, in the order of their rank; `by_id` takes the number of a slice"
            raise IndexError(text) from None

    def __iter__(self) -> Iterator[Slice]:
        return iter(self._slices)

    def __len__(self) -> int:
        return len(self._slices)

    def __repr__(self) -> str:
        return "\n".join([f"{self.id}: {len(self)} slices", *(f"  {found!r}" for found in self._slices)])

    def _repr_html_(self) -> str:
        verdicts = self._scan._verdicts()["slices"].get(self.id, {})
        head = "".join(f"<th>{name}</th>" for name in ("slice", "mostly", "images", "right", "95 % interval", "verdict"))
        rows = "".join(f"<tr>{_cells(found, verdicts.get(str(found.id), ''))}</tr>" for found in self._slices)
        return f"<p><b>{html.escape(self.id)}</b></p><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cells(found: Slice, verdict: str) -> str:
    right = "" if found.accuracy is None else f"{found.accuracy:.0%}"
    interval = "" if found.interval is None else "–".join(f"{end:.0%}" for end in found.interval)
    number = f"<b>{found.id}</b> clearly worse" if found.needs_verdict else str(found.id)
    cells = [number, html.escape(found.title), str(found.size), right, interval, html.escape(verdict)]
    return "".join(f"<td>{cell}</td>" for cell in cells)


def read_slices(scan: Scan, slice_set: str | None) -> Slices:
    """The slices of this set, or of the one that was made last.

    Raises:
        AscanError: If the scan has no slices, or none of this name; it names those that exist.
    """
    chosen = slice_set or tables.newest_slice_set(scan.path)
    if chosen is None:
        raise AscanError(f"{scan.path} has no slices yet", hint="make some with `scan.slice()`")
    if not (Path(scan.path) / "slices" / chosen / "report.json").is_file():
        known = ", ".join(scan.slice_sets) or "none"
        raise AscanError(f"{scan.path} has no slice set `{chosen}`", hint=f"available: {known}")
    return Slices(scan, chosen)
