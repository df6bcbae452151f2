"""What people look at of a scan: pictures, a page, the window, data sets of other tools."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from . import program
from .results import Picture

StrPath = str | os.PathLike[str]


class Views:
    """The part of a scan that shows it."""

    path: Path

    def mosaic(self, file: StrPath | None = None, *, slice_set: str | None = None) -> Picture:
        """The slices as one picture, lit where the model looked; a notebook shows it.

        Args:
            file: Where to keep it, as PNG.
            slice_set: By default the newest.
        """
        which = ["--slices", slice_set] if slice_set else []
        with tempfile.TemporaryDirectory() as folder:
            made = Path(file) if file else Path(folder) / "mosaic.png"
            program.run("mosaic", self.path, "-o", made, *which, as_json=False)
            return Picture(made.read_bytes())

    def report(self, file: StrPath) -> Path:
        """Writes the scan as one HTML file that needs nothing else, and gives its path."""
        program.run("report", self.path, "-o", file, as_json=False)
        return Path(file)

    def review(self, *, wait: bool = True) -> None:
        """Opens the window. Verdicts that are given there are in `samples` at once.

        Args:
            wait: Whether to wait until it is closed.
        """
        window = subprocess.Popen([str(program.find()), "review", str(self.path)], env=program.environment())
        if wait:
            window.wait()

    def to_fiftyone(self) -> Any:
        """The scan as a `fiftyone.Dataset`, with classes, slices, verdicts and heat maps; FiftyOne has to be installed."""
        import fiftyone

        folder = self._exported("fiftyone")
        return fiftyone.Dataset.from_dir(str(folder), dataset_type=fiftyone.types.FiftyOneDataset)

    def to_hf(self) -> Any:
        """The scan as a `datasets.Dataset` with its images; Hugging Face's `datasets` has to be installed."""
        import datasets

        return datasets.load_dataset("imagefolder", data_dir=str(self._exported("hf")), split="train")

    def _exported(self, form: str) -> Path:
        """The scan in another format, in its cache, anew."""
        folder = self.path / "cache" / form
        program.run("export", self.path, "--to", form, "-o", folder, as_json=False)
        return folder
