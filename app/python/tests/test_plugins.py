from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ascan
from ascan import program


@ascan.slicer
def by_confidence(probs: Any, predictions: Any, n_slices: int = 3) -> Any:
    """Slices of equal width by the probability of the predicted class."""
    confidence = probs[np.arange(len(probs)), predictions]
    return np.minimum((confidence * n_slices).astype(int), n_slices - 1)


def test_a_function_slices(scan: ascan.Scan) -> None:
    assert by_confidence.__doc__ == "Slices of equal width by the probability of the predicted class."
    slices = scan.slice(by_confidence, n_slices=4, progress=False)
    samples = scan.samples
    confidence = np.asarray(samples["probs"].to_pylist()).max(axis=1)
    expected = np.minimum((confidence.astype(np.float32) * 4).astype(int), 3)
    np.testing.assert_array_equal(slices.assignment, expected)
    assert slices.report["plugin"] == "process"


def test_a_closure_and_shares_and_all_that_a_function_may_name(scan: ascan.Scan) -> None:
    wanted = 5

    @ascan.slicer(maps=True, timeout_secs=60)
    def shares(embeddings: Any, labels: Any, losses: Any, maps: Any, fit: Any, seed: int) -> Any:
        print("a word that does not spoil the answer")
        assert len(embeddings) == len(labels) == len(losses) == len(maps) == len(fit) and maps.shape[1:] == (8, 8) and seed == 0
        membership = np.full((len(embeddings), wanted), 0.1)
        membership[np.arange(len(embeddings)), labels] = 0.6
        return membership

    slices = scan.slice(shares, progress=False)
    np.testing.assert_array_equal(slices.assignment, scan.samples["label_index"].to_numpy())


def test_errors_of_a_function_reach_its_author(scan: ascan.Scan) -> None:
    @ascan.slicer
    def broken(embeddings: Any) -> Any:
        raise ValueError("eigenvalues are negative")

    with pytest.raises(ascan.AscanError, match="ValueError: eigenvalues are negative"):
        scan.slice(broken, progress=False)
    with pytest.raises(ascan.AscanError, match="takes no parameter `n_clusters`"):
        scan.slice(by_confidence, n_clusters=3, progress=False)
    with pytest.raises(TypeError, match="is no slicer"):
        scan.slice(ascan.projector(lambda embeddings: embeddings), progress=False)
    with pytest.raises(TypeError, match="not int"):
        ascan.slicer(3)


def test_estimators_of_scikit_learn_slice(scan: ascan.Scan) -> None:
    cluster = pytest.importorskip("sklearn.cluster", reason="scikit-learn is not installed")
    mixture = pytest.importorskip("sklearn.mixture")
    slices = scan.slice(
        ascan.slicer(cluster.KMeans(4, random_state=0, n_init=2)), settings={"projection.plugin": "none"}, progress=False
    )
    expected = cluster.KMeans(4, random_state=0, n_init=2).fit_predict(np.asarray(scan.features))
    pairs = set(zip(slices.assignment.tolist(), expected.tolist(), strict=True))
    assert len(pairs) == 4, "the same partition, whatever the numbers"
    # Parameters from the settings, the run's seed, soft shares, and one that cannot predict.
    assert len(scan.slice(ascan.slicer(mixture.GaussianMixture()), n_components=3, progress=False)) == 3
    assert len(scan.slice(ascan.slicer(cluster.AgglomerativeClustering(2)), progress=False)) == 2


def test_a_function_is_named_from_a_toml(scan: ascan.Scan, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import ascan\n\n@ascan.slicer\ndef parity(embeddings, n_slices=2):\n"
        "    import numpy as np\n    return np.arange(len(embeddings)) % n_slices\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "ascan.worker", "slicer", f"{tmp_path / 'mine.py'}:parity"]
    settings = {"slicing.plugin": "process", "slicing.params": {"command": command, "params": {"n_slices": 5}}}
    assert len(scan.slice(settings=settings, progress=False)) == 5
    missing = subprocess.run([*command[:-1], f"{tmp_path / 'mine.py'}:none"], capture_output=True, text=True, input="")
    assert missing.returncode != 0


def test_a_projector(scan: ascan.Scan) -> None:
    def first_two(embeddings: Any, fit: Any, n_dims: int = 2) -> Any:
        return embeddings[:, :n_dims] - embeddings[fit, :n_dims].mean(axis=0)

    params = ascan.projector(first_two).params(scan.path.with_name("scan.inputs"), {"n_dims": 3})
    settings = {"projection.plugin": "process", "projection.params": params}
    slices = scan.slice("kmeans", n_slices=3, settings=settings, progress=False)
    assert len(slices) == 3 and slices.report["projection"]["plugin"] == "process"
    decomposition = pytest.importorskip("sklearn.decomposition", reason="scikit-learn is not installed")
    settings["projection.params"] = ascan.projector(decomposition.PCA(4)).params(scan.path.with_name("scan.inputs"), {})
    assert len(scan.slice("kmeans", n_slices=3, settings=settings, progress=False)) == 3


def test_an_attribution_method(demo: Path, pictures: list[tuple[Path, str]], tmp_path: Path) -> None:
    @ascan.attributor
    def energy(feature_map: Any, images: Any, target_classes: Any, logits: Any) -> Any:
        assert images.shape[1:] == (3, 64, 64) and logits.shape == (len(images), 2)
        assert (target_classes == logits.argmax(axis=1)).all()
        return (feature_map**2).mean(axis=1)

    paths = [path for path, _ in pictures[:12]]
    arguments: dict[str, Any] = {"preprocess": "unit", "projector": "none", "n_slices": 2, "progress": False}
    scan = ascan.scan(demo / "shortcut.onnx", paths, attribution=energy, out=tmp_path / "scan", batch_size=12, **arguments)
    maps = scan.maps()
    assert scan.methods == ["process"] and maps.shape == (12, 8, 8) and (np.asarray(maps) >= 0).all() and np.asarray(maps).any()
    # Weighted by a map, as by any other method: the largest weight is where the features are largest.
    assert np.isfinite(scan.features).all() and scan.plan["attribution"]["layers"]


def test_bench_compares_a_function_with_kmeans(tmp_path: Path) -> None:
    few = {
        "planted.rare": [0.1], "planted.correlation": [], "planted.noisy_label": [], "planted.n_tables": 1,
        "planted.n_rows": 600, "planted.n_dims": 8, "slicers.kmeans.params.n_slices": 8,
    }  # fmt: skip
    found = ascan.bench([by_confidence, "kmeans"], out=tmp_path / "bench", settings=few, progress=False)
    assert set(found.table["method"].to_pylist()) == {"by_confidence", "kmeans"}
    assert found.errors == {} and "precision_at_10" in found.table["figure"].to_pylist()
    assert "by_confidence" in repr(found) and "kmeans" in repr(found)


def test_the_program_lists_the_three_kinds() -> None:
    listed = program.run("plugins").output
    rows = listed["plugins"] if isinstance(listed, dict) else listed
    assert {row["kind"] for row in rows if row["name"] == "process"} == {"slicer", "projector", "attributor"}
