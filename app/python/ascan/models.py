"""Models: an ONNX file as it is, or a PyTorch module that is exported and checked."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import preprocessing
from .errors import AscanError, SettingsError
from .preprocessing import Preprocess

#: Largest difference of a logit between PyTorch and the exported file, relative to the largest logit above 1.
TOLERANCE = 1e-4


@dataclass
class Prepared:
    """A model that the program can read.

    Attributes:
        path: The ONNX file.
        settings: What the program has to be told about it.
        notes: What was taken, a sentence each.
    """

    path: Path
    settings: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def prepare(model: Any, preprocess: Any, class_names: Any, transform: Any, folder: Path) -> Prepared:
    """Makes an ONNX file of a model.

    Args:
        model: An ONNX file, or a `torch.nn.Module` that takes images `[n, 3, h, w]` and gives logits `[n, k]`, or an object
            with them in `.logits`, as Hugging Face's classifiers do.
        preprocess: See `ascan.preprocessing.understood`, or weights of torchvision; `None` takes what the model says itself
            (those of timm do), else the data set's transform, else leaves the guess to the program.
        class_names: Names of the outputs; `None` takes the model's own.
        transform: The data set's transform.
        folder: Where the exported file goes.

    Raises:
        SettingsError: For anything else, or a transform that the program cannot do.
        AscanError: If the export fails, or if the exported file computes something else.
    """
    if hasattr(preprocess, "meta") and callable(getattr(preprocess, "transforms", None)):
        # Weights of torchvision know both.
        class_names = class_names or preprocess.meta.get("categories")
        preprocess = preprocess.transforms()
    own_transform, own_names = _own(model)
    given = preprocess if preprocess is not None else own_transform if own_transform is not None else transform
    found = None if given is None else preprocessing.understood(given)
    prepared = Prepared(Path())
    names = list(class_names) if class_names is not None else own_names
    if found is not None:
        prepared.settings |= found.settings()
        prepared.notes.append(f"preprocessing is taken from {found.origin}")
    if names:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "output_names.json"
        file.write_text(json.dumps(names, ensure_ascii=False), encoding="utf-8")
        # By name where a label is one of them, else by index.
        prepared.settings |= {"data.output_names": file.resolve(), "data.class_map": "auto"}
        prepared.notes.append(f"the outputs are named {', '.join(names[:3])}, … ({len(names)} in all)")
    if isinstance(model, (str, os.PathLike)):
        prepared.path = Path(model)
        return prepared
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(model, torch.nn.Module):
        raise SettingsError(f"a model of type {type(model).__name__} is not understood", hint="an ONNX file, or a torch.nn.Module")
    folder.mkdir(parents=True, exist_ok=True)
    prepared.path = folder / "model.onnx"
    difference = export(model, prepared.path, _size(model, found))
    prepared.notes.append(f"exported to {prepared.path}; its logits differ by at most {difference:.1e}")
    return prepared


def export(model: Any, file: Path, size: tuple[int, int]) -> float:
    """Exports a PyTorch module for any number of images, and checks what was written.

    Args:
        model: As `prepare` takes it.
        file: The ONNX file to write.
        size: `(height, width)` of the images.

    Returns:
        The largest difference of a logit on random images, relative to the largest logit above 1.

    Raises:
        AscanError: If the export fails, or if that is more than `TOLERANCE`.
    """
    import torch

    class Logits(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, images: Any) -> Any:
            answer = self.model(images)
            return getattr(answer, "logits", answer)

    was_training = model.training
    logits = Logits().eval()
    parameter = next(model.parameters(), None)
    device = "cpu" if parameter is None else parameter.device
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0)) * 4 - 2
    try:
        with torch.no_grad():
            expected = logits(images.to(device)).float().cpu().numpy()
            torch.onnx.export(
                logits,
                (images.to(device),),
                str(file),
                dynamo=True,
                external_data=False,
                input_names=["images"],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
                verbose=False,
            )
    except Exception as error:  # the exporter's errors have no common class
        raise AscanError(
            f"PyTorch cannot export this model to ONNX: {str(error).strip().splitlines()[0]}",
            hint="export it yourself with torch.onnx.export, and give the file",
        ) from error
    finally:
        model.train(was_training)
    if expected.ndim != 2:
        raise AscanError(f"the model gives {list(expected.shape)} for two images, and not two rows of logits")
    got = _run(file, images.numpy())
    difference = float(abs(got - expected).max() / max(1.0, abs(expected).max()))
    if not difference <= TOLERANCE:
        message = f"the exported file computes something else: logits differ by {difference:.1e}, more than {TOLERANCE:.0e}"
        raise AscanError(message, hint="is anything random, or dependent on the batch, in the model's forward pass?")
    return difference


def _run(file: Path, images: Any) -> Any:
    """The logits of an ONNX file, by onnxruntime or, much slower, ONNX's own reference."""
    try:
        import onnxruntime

        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        return session.run(None, {"images": images})[0]
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        return ReferenceEvaluator(str(file)).run(None, {"images": images})[0]


def _own(model: Any) -> tuple[Any, list[str] | None]:
    """What a model says of its preprocessing and its outputs."""
    config = getattr(model, "config", None)
    names = getattr(config, "id2label", None)
    if names:
        return None, [str(names[index]) for index in sorted(names)]
    timm = getattr(model, "pretrained_cfg", None)
    if isinstance(timm, dict) and timm.get("mean"):
        return timm, list(timm["label_names"]) if timm.get("label_names") else None
    return None, None


def _size(model: Any, found: Preprocess | None) -> tuple[int, int]:
    """`(height, width)` of the model's images: as its preprocessing says, or its configuration, or 224."""
    if found is not None and found.size is not None:
        return found.size
    side = getattr(getattr(model, "config", None), "image_size", None)
    if isinstance(side, (list, tuple)):
        return int(side[0]), int(side[1])
    return (int(side), int(side)) if side else (224, 224)
