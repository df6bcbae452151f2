from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import ascan
from ascan.preprocessing import understood

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def step(name: str, **fields: Any) -> Any:
    """A transform by its name and fields, which is all that is looked at."""
    return type(name, (), fields)()


def test_presets_and_keys() -> None:
    assert understood("tf").settings() == {"model.preprocess.preset": "tf"}
    assert understood({"preset": "unit", "resize": "pad"}).section == {"preset": "unit", "resize": "pad"}
    with pytest.raises(ascan.SettingsError, match="of type object is not understood"):
        understood(object())


def test_a_compose() -> None:
    steps = [
        step("Resize", size=[256], interpolation=SimpleNamespace(value="bicubic")),
        step("CenterCrop", size=(224, 224)),
        step("ToTensor"),
        step("Normalize", mean=MEAN, std=STD),
    ]
    found = understood(SimpleNamespace(transforms=steps))
    assert found.size == (224, 224) and found.section == {
        "channels": "rgb", "scale": 1 / 255, "mean": MEAN, "std": STD,
        "resize": "crop", "crop_fraction": 0.875, "interpolation": "bicubic",
    }  # fmt: skip
    squashed = [step("Resize", size=(96, 128), interpolation="bilinear"), step("ToTensor")]
    found = understood(SimpleNamespace(transforms=squashed))
    assert found.size == (96, 128) and found.section["resize"] == "squash" and found.section["mean"] == [0.0] * 3


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([step("Resize", size=256, interpolation="bilinear")], "without a crop gives images of many shapes"),
        ([step("CenterCrop", size=224)], "a centre crop without a resize"),
        ([step("ColorJitter")], "the transform `ColorJitter` is not understood"),
        ([step("Resize", size=(8, 8), interpolation="lanczos")], "interpolation by `lanczos`"),
    ],
)
def test_what_the_program_cannot_do_is_named(steps: list[Any], words: str) -> None:
    with pytest.raises(ascan.SettingsError, match=words):
        understood(SimpleNamespace(transforms=steps))


def test_timm_says_it_in_numbers() -> None:
    config = {"input_size": (3, 288, 288), "interpolation": "bicubic", "mean": MEAN, "std": STD, "crop_pct": 0.95}
    found = understood(config)
    assert found.size == (288, 288) and found.section["crop_fraction"] == 0.95 and found.section["interpolation"] == "bicubic"
    with pytest.raises(ascan.SettingsError, match="crop mode `border`"):
        understood(config | {"crop_mode": "border"})


def test_image_processors() -> None:
    fields = {"image_mean": MEAN, "image_std": STD, "rescale_factor": 1 / 255, "resample": 3, "do_normalize": True}
    squash = understood(SimpleNamespace(**fields, size={"height": 32, "width": 48}))
    assert squash.size == (32, 48) and squash.section["resize"] == "squash" and squash.section["interpolation"] == "bicubic"
    crop = {"do_center_crop": True, "size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}}
    assert understood(SimpleNamespace(**fields, **crop)).section["crop_fraction"] == 0.875
    plain = understood(SimpleNamespace(**fields | {"do_normalize": False}, size={"height": 32, "width": 32}))
    assert plain.section["mean"] == [0.0] * 3 and plain.section["std"] == [1.0] * 3
