"""Reads the open files of a scan: Parquet tables, JSON reports and plain arrays that are mapped into memory."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import program
from .errors import AscanError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

#: What is left out of `samples`: pictures of maps, which `maps` gives in full.
_PICTURES = ("heatmap", "heatmap_min", "heatmap_scale")


def load_json(file: Path) -> Any:
    """A JSON file.

    Raises:
        AscanError: If it cannot be read.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AscanError(f"{file} cannot be read: {error}") from error


def load_toml(file: Path) -> dict[str, Any]:
    """A TOML file.

    Raises:
        AscanError: If it cannot be read.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AscanError(f"{file} cannot be read: {error}") from error


def samples(folder: Path, plan: dict[str, Any], config: dict[str, Any]) -> pa.Table:
    """What the scan found, one row per image: paths and classes by name.

    Raises:
        AscanError: If the scan is not finished or damaged.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    files = sorted((folder / "data").glob("samples-*.parquet"))
    # Opened one by one: a scan is many small files, and looking for a common schema would cost more than reading.
    try:
        read = [pq.ParquetFile(file) for file in files]
        names = [name for name in read[0].schema_arrow.names if name not in _PICTURES] if read else []
        table = pa.concat_tables([file.read(columns=names) for file in read]) if read else pa.table({})
    except (OSError, pa.ArrowException) as error:
        raise AscanError(f"the tables of {folder} cannot be read: {error}") from error
    n_rows = plan["data"]["n_rows"]
    if table.num_rows != n_rows:
        message = f"the scan {folder} is not finished: {table.num_rows} of {n_rows} images are done"
        raise AscanError(message, hint="scan again with the same `out` to go on")
    root = _root(config["data"])
    uris = table["uri"].combine_chunks()
    is_whole = pc.match_substring_regex(uris, "^(/|[A-Za-z]:)")
    columns: dict[str, Any] = {"path": pc.if_else(is_whole, uris, pc.binary_join_element_wise(root, uris, ""))}
    classes = plan["model"]["class_names"]
    for column in ("label", "prediction"):
        indices = pc.if_else(pc.less(table[column], 0), None, table[column])
        columns[column] = pc.take(pa.array(classes), indices) if classes else indices
        columns[f"{column}_index"] = table[column]
    for name in table.column_names:
        if name not in ("uri", "label", "prediction"):
            columns[name] = table[name]
    return pa.table(columns)


def _root(data: dict[str, Any]) -> str:
    """What the images' names are relative to, with a separator at its end; empty for members of an archive."""
    if data.get("archive") or data.get("idx"):
        return ""
    manifest = data.get("manifest")
    root = data.get("root") or data.get("images") or (Path(manifest).parent if manifest else "")
    return f"{root}/" if root else ""


def newest_slice_set(folder: Path) -> str | None:
    """The slice set that was made last, which is the one that the program takes, too."""
    reports = list((folder / "slices").glob("*/report.json"))
    newest = max(reports, key=lambda report: (report.stat().st_mtime_ns, report.parent.name), default=None)
    return newest.parent.name if newest else None


def assignment(folder: Path, slice_set: str) -> pa.ChunkedArray:
    """The slice of each image, -1 for one in no slice."""
    import pyarrow.parquet as pq

    return pq.read_table(folder / "slices" / slice_set / "assignment.parquet")["slice"]


def verdicts(folder: Path) -> Any:
    """What holds of each image: the program knows which of several verdicts does."""
    return program.run("verdicts", folder, "--by-image").output


def mapped(folder: Path, array: str) -> npt.NDArray[np.float32]:
    """An array of all rows, mapped and not read; the program lays it out in the scan's cache where it is not there yet.

    Raises:
        AscanError: If there is none of this name (it names those that exist), or if the scan is not finished.
    """
    import numpy as np

    laid_out = program.run("arrays", folder, array).output
    shape: Sequence[int] = laid_out["shape"]
    if 0 in shape:
        return np.zeros(shape, dtype=laid_out["dtype"])
    return np.memmap(laid_out["file"], dtype=laid_out["dtype"], mode="r", shape=tuple(shape))
