"""Images and labels from what Python users have them in, as something that the program reads."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import SettingsError
from .settings import Settings


@dataclass
class Source:
    """What is scanned.

    Attributes:
        path: A folder, table or archive.
        settings: What the program has to be told about it.
        transform: The data set's own transform, which may say how pixels become the model's input.
        notes: What was taken, a sentence each.
    """

    path: Path
    settings: dict[str, Any] = field(default_factory=dict)
    transform: Any = None
    notes: list[str] = field(default_factory=list)


def prepare(images: Any, labels: Any, folder: Path) -> Source:
    """Makes a source of images and labels; what has to be written is written to `folder`.

    Args:
        images: A folder with a folder per class, a table or an archive (see *Configuration*), a list of paths, a
            `torchvision.datasets.ImageFolder`, a `torch.utils.data.Dataset` of (PIL image, label) or a `datasets.Dataset`.
        labels: For a table the name of its column; for a list a label (a name, or an index) per image, or `None`. A
            mapping from file name to label goes with a folder.
        folder: Where to write to.

    Raises:
        SettingsError: For anything else; it says what was expected.
    """
    if isinstance(images, (str, os.PathLike)):
        path = Path(images)
        if labels is None:
            return Source(path)
        if isinstance(labels, str):
            return Source(path, {"data.columns.label": labels})
        if isinstance(labels, Mapping) and path.is_dir():
            items = [(path / name, label) for name, label in labels.items()]
            return _listed(items, None, folder, f"{len(items)} images of {path}, labelled by a mapping")
        raise SettingsError(
            "`labels` do not go with these images",
            hint="for a table the name of a column, for a folder a mapping from file name to label",
        )
    if hasattr(images, "features") and hasattr(images, "column_names"):
        return _hugging_face(images, labels, folder)
    if hasattr(images, "samples") and hasattr(images, "classes"):
        source = _listed(images.samples, list(images.classes), folder, f"an ImageFolder of {len(images.samples)} images")
        source.transform = getattr(images, "transform", None)
        return source
    if isinstance(images, Sequence) and images and isinstance(images[0], (str, os.PathLike)):
        given = [None] * len(images) if labels is None else list(labels)
        if len(given) != len(images):
            raise SettingsError(f"{len(images)} images and {len(given)} labels do not go together")
        return _listed(list(zip(images, given, strict=True)), None, folder, f"a list of {len(images)} images")
    if hasattr(images, "__getitem__") and hasattr(images, "__len__"):
        return _data_set(images, folder)
    raise SettingsError(
        f"images of type {type(images).__name__} are not understood",
        hint="a folder, a table, a list of paths, an ImageFolder, a Dataset of (PIL image, label) or a datasets.Dataset",
    )


def write_table(file: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Writes a table of images as CSV."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _listed(items: Sequence[tuple[Any, Any]], classes: list[str] | None, folder: Path, note: str) -> Source:
    """Images in files of their own; labels are indices of `classes`, or names."""
    table: dict[str, list[Any]] = {"path": [str(Path(path).resolve()) for path, _ in items]}
    settings: dict[str, Any] = {"data.columns.path": "path"}
    if all(label is None for _, label in items):
        settings["data.columns.label"] = "none"
    else:
        table["label"] = [_label(label, classes) for _, label in items]
        settings |= {"data.columns.label": "label", "data.classes": classes}
    write_table(folder / "images.csv", table)
    return Source(folder / "images.csv", settings, notes=[note])


def _label(label: Any, classes: list[str] | None) -> Any:
    if label is None:
        return ""
    return classes[int(label)] if classes and not isinstance(label, str) and int(label) >= 0 else label


def _data_set(images: Any, folder: Path) -> Source:
    """A data set of (PIL image, label): its pictures are written as PNG, which loses nothing."""
    classes = list(images.classes) if hasattr(images, "classes") else None
    note = f"a {type(images).__name__} of {len(images)} images, written to {folder / 'images'}"
    source = _listed(list(_written(_pairs(images), folder / "images")), classes, folder, note)
    source.transform = getattr(images, "transform", None)
    return source


def _pairs(images: Any) -> Iterator[tuple[Any, Any]]:
    transform = getattr(images, "transform", None)
    # Without its transform it gives the pictures themselves: what the program does to them it is told apart.
    if transform is not None:
        images.transform = None
    try:
        for row in range(len(images)):
            item = images[row]
            image, label = item if isinstance(item, tuple) and len(item) == 2 else (item, None)
            if not hasattr(image, "save"):
                raise SettingsError(
                    f"item {row} of the data set is {type(image).__name__}, not a PIL image",
                    hint="leave transforms to tensors out of the data set: `preprocess=` says what the model expects",
                )
            yield image, label
    finally:
        if transform is not None:
            images.transform = transform


def _written(pairs: Iterator[tuple[Any, Any]], folder: Path) -> Iterator[tuple[Path, Any]]:
    folder.mkdir(parents=True, exist_ok=True)
    for row, (image, label) in enumerate(pairs):
        file = folder / f"{row:07}.png"
        image.save(file)
        yield file, label


def _hugging_face(data: Any, labels: str | None, folder: Path) -> Source:
    """A `datasets.Dataset`: its image and label columns are found by their types; stored pictures are taken as they are."""
    kinds = {name: type(feature).__name__ for name, feature in data.features.items()}
    image = next((name for name, kind in kinds.items() if kind == "Image"), None)
    if image is None:
        raise SettingsError("the data set has no column of images", hint=f"its columns are {', '.join(kinds)}")
    label = labels or next((name for name, kind in kinds.items() if kind == "ClassLabel"), None)
    if labels is not None and labels not in kinds:
        raise SettingsError(f"the data set has no column `{labels}`", hint=f"its columns are {', '.join(kinds)}")
    classes = list(data.features[label].names) if label and kinds[label] == "ClassLabel" else None
    stored = data.cast_column(image, type(data.features[image])(decode=False))

    def items() -> Iterator[tuple[Path, Any]]:
        (folder / "images").mkdir(parents=True, exist_ok=True)
        for row, item in enumerate(stored):
            picture, said = item[image], item[label] if label else None
            if picture["bytes"] is None:
                yield Path(picture["path"]), said
            else:
                file = folder / "images" / f"{row:07}{Path(picture['path'] or '').suffix or '.img'}"
                file.write_bytes(picture["bytes"])
                yield file, said

    note = f"column `{image}`" + (f" and labels of column `{label}`" if label else "") + f" of {len(data)} rows"
    return _listed(list(items()), classes, folder, note)


def told(settings: Settings) -> str:
    """Settings in a few words."""
    return ", ".join(f"{key} = {value}" for key, value in settings.items() if value is not None)
