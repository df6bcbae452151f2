"""From the transforms of PyTorch's libraries to the program's `[model.preprocess]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import SettingsError

#: Numbers of Pillow's filters, which Hugging Face uses.
_PILLOW = {0: "nearest", 2: "bilinear", 3: "bicubic"}
_KEYS = ("preset", "channels", "scale", "mean", "std", "resize", "crop_fraction", "interpolation")


@dataclass
class Preprocess:
    """What a transform does.

    Attributes:
        section: Keys of `[model.preprocess]`.
        size: `(height, width)` of the model's input, where the transform says it.
        origin: Where it was taken from, for the user.
    """

    section: dict[str, Any]
    size: tuple[int, int] | None
    origin: str

    def settings(self) -> dict[str, Any]:
        """As dotted keys."""
        return {f"model.preprocess.{key}": value for key, value in self.section.items()}


def understood(given: Any) -> Preprocess:
    """Reads a transform.

    Args:
        given: A preset of the program (`"imagenet"`), a dictionary with keys of `[model.preprocess]`, the `data_config` of timm,
            a transform of torchvision (`weights.transforms()`, or a `Compose`), or an image processor of transformers.

    Raises:
        SettingsError: If it does what the program cannot; it names that part.
    """
    if isinstance(given, Preprocess):
        return given
    if isinstance(given, str):
        return Preprocess({"preset": given}, None, f"preset {given}")
    if isinstance(given, Mapping):
        return _timm(given) if "input_size" in given else _own(given)
    if hasattr(given, "image_mean") or hasattr(given, "do_normalize"):
        return _hugging_face(given)
    if hasattr(given, "crop_size") and hasattr(given, "resize_size"):
        return _torchvision_preset(given)
    if hasattr(given, "transforms"):
        return _composed(given.transforms)
    raise SettingsError(
        f"a transform of type {type(given).__name__} is not understood",
        hint=f"`preprocess` may also be a preset, or a dictionary with keys of {', '.join(_KEYS)}",
    )


def _own(given: Mapping[str, Any]) -> Preprocess:
    unknown = [key for key in given if key not in _KEYS]
    if unknown:
        raise SettingsError(f"`preprocess` has no key `{unknown[0]}`", hint=f"its keys are {', '.join(_KEYS)}")
    return Preprocess(dict(given), None, "your keys")


def _normalised(mean: Any, std: Any, scale: float = 1 / 255) -> dict[str, Any]:
    return {"channels": "rgb", "scale": scale, "mean": [float(v) for v in mean], "std": [float(v) for v in std]}


def _resized(resize: Any, crop: Any, interpolation: str) -> tuple[dict[str, Any], tuple[int, int] | None]:
    """How a resize, and a centre crop after it, fit an image to a model; each is a side, two sides, or nothing."""
    sides = list(resize) if isinstance(resize, (list, tuple)) else [resize]
    if crop is None:
        if len(sides) == 1 and sides[0] is not None:
            raise SettingsError("a resize of the shorter side without a crop gives images of many shapes", hint="add a centre crop")
        size = (int(sides[0]), int(sides[1])) if len(sides) == 2 else None
        return {"resize": "squash", "interpolation": interpolation}, size
    crops = list(crop) if isinstance(crop, (list, tuple)) else [crop]
    size = (int(crops[0]), int(crops[-1]))
    if sides[0] is None:
        raise SettingsError("a centre crop without a resize is not supported", hint="resize the shorter side first")
    if len(sides) == 2 and sides[0] != sides[1]:
        raise SettingsError("a centre crop after a resize to another shape is not supported", hint="resize one side")
    fit = {"resize": "crop", "crop_fraction": min(size) / float(sides[0]), "interpolation": interpolation}
    return fit, size


def _filter(mode: Any) -> str:
    name = str(getattr(mode, "value", mode)).lower()
    if name not in _PILLOW.values():
        raise SettingsError(f"interpolation by `{name}` is not supported", hint="bilinear, bicubic or nearest")
    return name


def _torchvision_preset(transform: Any) -> Preprocess:
    fit, size = _resized(transform.resize_size, transform.crop_size, _filter(transform.interpolation))
    return Preprocess(_normalised(transform.mean, transform.std) | fit, size, "the weights' transforms of torchvision")


def _composed(transforms: Any) -> Preprocess:
    """A `Compose` of resize, crop, conversion and normalisation."""
    resize = crop = None
    interpolation, mean, std = "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    for step in transforms:
        name = type(step).__name__
        if name == "Resize":
            resize, interpolation = step.size, _filter(step.interpolation)
            resize = resize[0] if isinstance(resize, (list, tuple)) and len(resize) == 1 else resize
        elif name == "CenterCrop":
            crop = step.size
        elif name == "Normalize":
            mean, std = step.mean, step.std
        elif name not in ("ToTensor", "ToImage", "PILToTensor", "ConvertImageDtype", "ToDtype"):
            raise SettingsError(
                f"the transform `{name}` is not understood",
                hint="Resize, CenterCrop, ToTensor and Normalize are; say the rest by `preprocess={…}`",
            )
    fit, size = _resized(resize, crop, interpolation) if resize or crop else ({"resize": "squash"}, None)
    return Preprocess(_normalised(mean, std) | fit, size, "the data set's transforms")


def _timm(config: Mapping[str, Any]) -> Preprocess:
    _, height, width = config["input_size"]
    fit: dict[str, Any] = {"interpolation": _filter(config.get("interpolation", "bilinear"))}
    mode = config.get("crop_mode", "center")
    if mode == "center":
        fit |= {"resize": "crop", "crop_fraction": float(config.get("crop_pct", 0.875))}
    elif mode == "squash" and float(config.get("crop_pct", 1.0)) == 1.0:
        fit |= {"resize": "squash"}
    else:
        raise SettingsError(f"timm's crop mode `{mode}` is not supported", hint="say it by `preprocess={…}`")
    return Preprocess(_normalised(config["mean"], config["std"]) | fit, (height, width), "timm's data_config")


def _hugging_face(processor: Any) -> Preprocess:
    def size(of: Any) -> Any:
        """A side, two sides, or nothing."""
        of = dict(of) if of is not None and not isinstance(of, int) else of
        if isinstance(of, dict):
            return of["shortest_edge"] if of.get("shortest_edge") else (of["height"], of["width"])
        return of

    resize = size(processor.size) if getattr(processor, "do_resize", True) else None
    crop = size(processor.crop_size) if getattr(processor, "do_center_crop", False) else None
    pillow = int(getattr(processor, "resample", None) or 0)
    if pillow not in _PILLOW:
        raise SettingsError(f"Pillow's filter {pillow} is not supported", hint="bilinear, bicubic or nearest")
    fit, sides = _resized(resize, crop, _PILLOW[pillow])
    scale = float(processor.rescale_factor) if getattr(processor, "do_rescale", True) else 1.0
    is_normalised = getattr(processor, "do_normalize", True)
    mean, std = (processor.image_mean, processor.image_std) if is_normalised else ([0.0] * 3, [1.0] * 3)
    return Preprocess(_normalised(mean, std, scale) | fit, sides, f"the {type(processor).__name__}")
