"""From a module of PyTorch to a mosaic in one call: torchvision, timm and Hugging Face, with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ascan
from ascan import models, program

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed, and PyTorch exports by it")
Image: Any = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

# Random weights are no better than chance, and the program says so.
pytestmark = pytest.mark.filterwarnings("ignore::ascan.AscanWarning")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes of four coloured pictures each."""
    random = np.random.default_rng(0)
    for index, name in enumerate(("red", "green", "blue")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(4):
            pixels = random.integers(0, 80, (80, 100, 3), dtype=np.uint8)
            pixels[..., index] += 150
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


def check_equals_by_hand(scan: ascan.Scan, tmp_path: Path) -> None:
    """The exported file, scanned by the program with the settings that were written, has the same rows."""
    config = scan.path.with_name("scan.inputs") / "scan.toml"
    program.run("scan", config, "--out", tmp_path / "by-hand", as_json=False)
    by_hand = ascan.open(tmp_path / "by-hand")
    assert by_hand.samples["probs"].equals(scan.samples["probs"])
    np.testing.assert_array_equal(by_hand.features, scan.features)
    np.testing.assert_array_equal(by_hand.maps(), scan.maps())
    assert scan.mosaic().png.startswith(b"\x89PNG")


def test_torchvision(folder: Path, tmp_path: Path) -> None:
    torchvision = pytest.importorskip("torchvision", reason="torchvision is not installed")
    torch.manual_seed(0)
    model = torchvision.models.resnet18(weights=None, num_classes=3)
    transform = torchvision.models.ResNet18_Weights.DEFAULT.transforms()
    data = torchvision.datasets.ImageFolder(str(folder), transform=transform)
    scan = ascan.scan(model, data, out=tmp_path / "scan", class_names=data.classes, n_slices=3, progress=False)
    samples = scan.samples
    assert samples["label"].to_pylist() == [data.classes[label] for _, label in data.samples]
    with torch.no_grad():
        expected = torch.softmax(model.eval()(torch.stack([image for image, _ in data])), dim=1)
    # The transform and the program resize by slightly different filters.
    np.testing.assert_allclose(samples["probs"].to_pylist(), expected.numpy(), atol=5e-3)
    assert scan.plan["model"]["input_shape"] == [3, 224, 224]
    check_equals_by_hand(scan, tmp_path)
    # Weights know preprocessing and names.
    prepared = models.prepare(
        torchvision.models.resnet18(weights=None), torchvision.models.ResNet18_Weights.DEFAULT, None, None, tmp_path / "w"
    )
    assert any("tench" in note for note in prepared.notes) and prepared.settings["model.preprocess.crop_fraction"] == 0.875


def test_timm(folder: Path, tmp_path: Path) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    torch.manual_seed(0)
    model = timm.create_model("convnext_atto", pretrained=False, num_classes=3)
    scan = ascan.scan(model, folder, out=tmp_path / "scan", n_slices=3, progress=False)
    section = scan._config["model"]["preprocess"]
    assert section["interpolation"] == model.pretrained_cfg["interpolation"]
    np.testing.assert_allclose(section["mean"], model.pretrained_cfg["mean"], rtol=1e-6)
    assert section["crop_fraction"] == pytest.approx(model.pretrained_cfg["crop_pct"])
    check_equals_by_hand(scan, tmp_path)


def test_hugging_face(folder: Path, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=32, patch_size=8,
        id2label={0: "red", 1: "green", 2: "blue"}, label2id={"red": 0, "green": 1, "blue": 2},
    )  # fmt: skip
    model = transformers.ViTForImageClassification(config)
    processor = transformers.ViTImageProcessor(size={"height": 32, "width": 32})
    data: Any = [(Image.open(file).convert("RGB"), file.parent.name) for file in sorted(folder.glob("*/*.png"))]

    class Pictures(torch.utils.data.Dataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return len(data)

        def __getitem__(self, row: int) -> Any:
            return data[row]

    scan = ascan.scan(
        model, Pictures(), out=tmp_path / "scan", preprocess=processor, attribution="attention_rollout", n_slices=3,
        progress=False,
    )  # fmt: skip
    assert scan.class_names == ["red", "green", "blue"]
    samples = scan.samples
    assert samples["label"].to_pylist() == [label for _, label in data]
    with torch.no_grad():
        inputs = processor([image for image, _ in data], return_tensors="pt")
        expected = torch.softmax(model.eval()(**inputs).logits, dim=1).numpy()
    np.testing.assert_allclose(samples["probs"].to_pylist(), expected, atol=5e-3)
    check_equals_by_hand(scan, tmp_path)


def test_a_datasets_dataset(demo: Path, pictures: list[tuple[Path, str]], tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="Hugging Face's datasets is not installed")
    features = datasets.Features({"image": datasets.Image(), "what": datasets.ClassLabel(names=["disc", "square"])})
    columns = {"image": [str(path) for path, _ in pictures], "what": [label for _, label in pictures]}
    data = datasets.Dataset.from_dict(columns, features=features)
    scan = ascan.scan(
        demo / "shortcut.onnx", data, out=tmp_path / "scan", preprocess="unit", projector="none", n_slices=2, progress=False
    )
    assert scan.samples["label"].to_pylist() == columns["what"]
    assert scan.samples["path"].to_pylist() == columns["image"]


def test_a_module_that_exports_to_something_else_is_refused(tmp_path: Path) -> None:
    class Noisy(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Linear(3, 2)

        def forward(self, images: Any) -> Any:
            return self.head(images.mean(dim=(2, 3))) + torch.rand(2)

    with pytest.raises(ascan.AscanError, match=r"logits differ by|cannot export"):
        models.export(Noisy(), tmp_path / "noisy.onnx", (16, 16))

    class Maps(torch.nn.Module):  # type: ignore[misc]
        def forward(self, images: Any) -> Any:
            return images * 2

    with pytest.raises(ascan.AscanError, match="not two rows of logits"):
        models.export(Maps(), tmp_path / "maps.onnx", (16, 16))
