"""`ascan.embeddings`: slices of vectors that you have already, without a model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from . import images as sources
from . import plugins, program
from .errors import SettingsError
from .opened import Scan
from .plugins import Plugin
from .settings import Settings, document

StrPath = str | os.PathLike[str]


def embeddings(
    vectors: Any,
    images: Any,
    labels: Any = None,
    probs: Any = None,
    *,
    out: StrPath,
    predictions: Any = None,
    class_names: Any = None,
    projector: str | Plugin | None = None,
    slicer: str | Plugin = "kmeans",
    n_slices: int | None = None,
    seed: int | None = None,
    settings: Settings | None = None,
    progress: bool = True,
) -> Scan:
    """Makes a scan of vectors, slices it, and needs no model.

    All slicers, the mosaic, the window, verdicts and spreading work on it. There are no attribution maps, and what asks the
    model (`repair`) says that there is none.

    Args:
        vectors: `[n, d]`, a row per image, as an array, a `.npy` or a `.parquet` with a column `embedding` (and where known
            `path`, `prediction`, `probs`). Rows are in the order of the images: of a list or table as they stand there, of a
            folder by name.
        images: As in `ascan.scan`.
        labels: As in `ascan.scan`.
        probs: `[n, n_classes]` in 0 to 1, what a model said. Without `probs` and `predictions` there is no accuracy, and
            labels only describe the slices.
        out: Folder for the scan.
        predictions: `[n]`, indices or names of the predicted classes; by default the largest of `probs`.
        class_names: Names of the classes in the order of `probs`.
        projector: A projector; by default `pca`.
        slicer: A slicer.
        n_slices: Number of slices, for slicers that take one.
        seed: Of everything random.
        settings: Further settings by their dotted keys.
        progress: Whether bars and notes are shown.

    Returns:
        The finished scan.

    Raises:
        SettingsError: If rows and images do not go together, or something else is wrong with the arguments.
    """
    folder = plugins.inputs_of(out)
    source = sources.prepare(images, labels, folder)
    chosen: dict[str, Any] = {
        _kind(source.path): source.path.resolve(),
        **source.settings,
        "data.output_names": list(class_names) if class_names is not None else None,
        "features.source": _file(vectors, probs, predictions, folder).resolve(),
        **plugins.settings_of("projection", projector, {}, out),
        **plugins.settings_of("slicing", slicer, {"n_slices": n_slices}, out),
        "run.seed": seed,
        **(settings or {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "scan.toml"
    config.write_text(document(chosen), encoding="utf-8")
    program.run("scan", config, "--out", out, progress=progress)
    return Scan(out)


def _kind(path: Path) -> str:
    """Which key of `[data]` names such a file."""
    if path.is_dir():
        return "data.manifest" if any(path.glob("*.parquet")) else "data.images"
    return "data.archive" if path.name.endswith((".tar", ".tar.gz")) else "data.manifest"


def _file(vectors: Any, probs: Any, predictions: Any, folder: Path) -> Path:
    """A file of vectors, and of what a model said where that is given apart."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    is_file = isinstance(vectors, (str, os.PathLike))
    if is_file and probs is None and predictions is None:
        return Path(vectors)
    if is_file and Path(vectors).suffix == ".parquet":
        table = pq.read_table(vectors)
        columns = dict(zip(table.column_names, table.columns, strict=True))
    else:
        rows = np.load(vectors, mmap_mode="r") if is_file else np.asarray(vectors)
        columns = {"embedding": _lists("vectors", rows)}
    n = len(next(iter(columns.values())))
    if probs is not None:
        columns["probs"] = _lists("probs", np.asarray(probs))
    if predictions is not None:
        columns["prediction"] = pa.array([str(said) for said in predictions])
    for name, column in columns.items():
        if len(column) != n:
            raise SettingsError(f"there are {n} vectors, and {len(column)} rows of `{name}`")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "embeddings.parquet"
    pq.write_table(pa.table(columns), file)
    return file


def _lists(name: str, rows: Any) -> Any:
    import numpy as np
    import pyarrow as pa

    if rows.ndim != 2 or rows.shape[1] == 0:
        raise SettingsError(f"`{name}` has the shape {list(rows.shape)}, and a row of numbers per image was expected")
    flat = pa.array(np.ascontiguousarray(rows, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])
