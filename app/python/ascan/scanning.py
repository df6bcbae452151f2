"""`ascan.scan`: from a model and images to slices, in one call."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from . import images as sources
from . import models, plugins, program
from .opened import Scan
from .plugins import Plugin
from .settings import Settings, flags

StrPath = str | os.PathLike[str]


def scan(
    model: Any,
    images: Any,
    *,
    out: StrPath,
    labels: Any = None,
    attribution: str | Plugin = "grad_cam",
    projector: str | Plugin | None = None,
    slicer: str | Plugin = "kmeans",
    n_slices: int | None = None,
    preprocess: Any = None,
    class_names: Any = None,
    limit: int | None = None,
    seed: int | None = None,
    device: str | None = None,
    batch_size: int | None = None,
    settings: Settings | None = None,
    progress: bool = True,
) -> Scan:
    """Runs a model over images, keeps predictions, attribution maps and features, and slices them.

    What is not given is guessed as `ascan init` does; what was taken or guessed is printed. What had to be made (an exported
    model, a table of images) lies in `<out>.inputs` beside the scan.

    Args:
        model: An ONNX file, or a `torch.nn.Module` that takes images `[n, 3, h, w]` and gives logits `[n, k]`.
        images: A folder with a folder per class, a table or an archive, a list of paths, an `ImageFolder`, a `Dataset` of
            (PIL image, label) or a `datasets.Dataset`.
        out: Folder for the scan; an unfinished one there goes on.
        labels: See `ascan.images.prepare`.
        attribution: An attribution method.
        projector: A projector; by default `pca`.
        slicer: A slicer.
        n_slices: Number of slices, for slicers that take one.
        preprocess: How pixels become the model's input: see `ascan.preprocessing.understood`.
        class_names: Names of the model's outputs.
        limit: Scan only the first images.
        seed: Of everything random.
        device: `cpu`, `wgpu` or `cuda`.
        batch_size: Images per call of the model.
        settings: Further settings by their dotted keys: `{"data.split": "test", "attribution.also": ["layer_cam"]}`.
        progress: Whether bars and notes are shown.

    Returns:
        The finished scan.

    Raises:
        SettingsError: If something is wrong with the arguments; nothing has run.
        AscanError: If the work failed; what was finished is kept.
        Stopped: On Ctrl-C; the same call goes on.
    """
    folder = plugins.inputs_of(out)
    source = sources.prepare(images, labels, folder)
    prepared = models.prepare(model, preprocess, class_names, source.transform, folder)
    chosen: dict[str, Any] = {
        **source.settings,
        **prepared.settings,
        **plugins.settings_of("attribution", attribution, {}, out),
        **plugins.settings_of("projection", projector, {}, out),
        **plugins.settings_of("slicing", slicer, {"n_slices": n_slices}, out),
        "run.seed": seed,
        "run.limit": limit,
        "run.batch_size": batch_size,
        "model.device": device,
        **(settings or {}),
    }
    if progress:
        for note in source.notes + prepared.notes:
            print(note, file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "scan.toml"
    # `init` writes parameters that it knows: not those of "none", and not those that a function gets.
    sections = [key.partition(".")[0] for key, value in chosen.items() if value in ("none", "process") and key.endswith(".plugin")]
    late = {key: value for key, value in chosen.items() if key.partition(".")[0] in sections}
    kept = {key: value for key, value in chosen.items() if key not in late}
    program.run("init", prepared.path, source.path, "-o", config, "--force", *flags(kept), progress=progress, as_json=False)
    program.run("scan", config, "--out", out, *flags(late), progress=progress)
    return Scan(out)


def open(path: StrPath) -> Scan:  # noqa: A001 - the word that every library of tables uses
    """Opens a scan.

    Args:
        path: Its folder.

    Raises:
        AscanError: If there is none.
    """
    return Scan(path)


def demo(out: StrPath = "ascan-demo", *, progress: bool = True) -> Scan:
    """Makes a small data set with a planted error, trains a model on it and finds the error, in half a minute.

    Args:
        out: Folder for everything.
        progress: Whether bars and notes are shown.

    Returns:
        The scan of pictures that the model was not trained on; the report lies beside it, in `report.html`.
    """
    program.run("demo", "-o", out, progress=progress, as_json=False)
    return Scan(Path(out) / "scan")
