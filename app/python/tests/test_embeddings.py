from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ascan


def vectors_of(pictures: list[tuple[Path, str]]) -> Any:
    """Two clusters far apart, by class."""
    random = np.random.default_rng(0)
    centres = {"disc": 5.0, "square": -5.0}
    return np.stack([random.normal(centres[label], 1.0, 6) for _, label in pictures]).astype(np.float32)


def test_vectors_and_probabilities_make_a_scan(pictures: list[tuple[Path, str]], tmp_path: Path) -> None:
    paths, labels = zip(*pictures, strict=True)
    vectors = vectors_of(pictures)
    np.save(tmp_path / "emb.npy", vectors)
    right = np.array([label == "square" for label in labels])
    # Every fifth is taken for the other class.
    said = right ^ (np.arange(len(right)) % 5 == 0)
    probs = np.where(said[:, None], [0.2, 0.8], [0.8, 0.2])
    scan = ascan.embeddings(
        tmp_path / "emb.npy", list(paths), list(labels), probs, out=tmp_path / "scan", class_names=["disc", "square"],
        projector="none", n_slices=2, progress=False,
    )  # fmt: skip
    np.testing.assert_array_equal(scan.features, vectors)
    samples = scan.samples
    assert samples["path"].to_pylist() == [str(path) for path in paths] and samples["label"].to_pylist() == list(labels)
    np.testing.assert_array_equal(samples["prediction_index"].to_numpy(), said.astype(int))
    expected = -np.log(probs[np.arange(len(probs)), right.astype(int)])
    np.testing.assert_allclose(samples["loss"].to_numpy(), expected, rtol=1e-5)
    slices = scan.slices
    assert {frozenset(labels[row] for row in found.rows) for found in slices} == {frozenset({"disc"}), frozenset({"square"})}
    assert all(found.accuracy == pytest.approx(0.8, abs=0.1) for found in slices)
    # What looks at it works, verdicts too; there are no maps, and what asks the model says that there is none.
    assert scan.mosaic().png.startswith(b"\x89PNG")
    assert "no model, so there are no maps" in scan.report(tmp_path / "r.html").read_text(encoding="utf-8")
    scan.mark(slices[0], "spurious")
    scan.mark(slices[1], "core")
    assert scan.spread(progress=False).n_known == len(paths)
    assert len(scan.slice("domino", n_slices=2, progress=False)) > 0
    assert scan.maps().shape == (len(paths), 0, 0)
    with pytest.raises(ascan.AscanError, match="was made of vectors without one"):
        scan.repair(tmp_path / "repair", progress=False)
    # The same call goes on: nothing is to be done.
    again = ascan.open(scan.path)
    assert again.plan == scan.plan and "emb" not in str(again.plan)


def test_predictions_no_better_than_chance_are_told(pictures: list[tuple[Path, str]], tmp_path: Path) -> None:
    paths, labels = zip(*sorted(pictures, key=lambda picture: picture[1]), strict=True)
    said = [("disc", "square")[row % 2] for row in range(len(paths))]
    with pytest.warns(ascan.AscanWarning, match="no better than chance"):
        ascan.embeddings(
            vectors_of(pictures), list(paths), list(labels), out=tmp_path / "scan", predictions=said,
            class_names=["disc", "square"], projector="none", n_slices=2, progress=False,
        )  # fmt: skip


def test_a_table_is_matched_by_path_and_labels_alone_describe(pictures: list[tuple[Path, str]], tmp_path: Path) -> None:
    paths, labels = zip(*pictures, strict=True)
    vectors = vectors_of(pictures)
    order = np.random.default_rng(1).permutation(len(paths))
    table = pa.table({"path": [str(paths[row]) for row in order], "embedding": [vectors[row].tolist() for row in order]})
    pq.write_table(table, tmp_path / "emb.parquet")
    scan = ascan.embeddings(
        tmp_path / "emb.parquet", list(paths), list(labels), out=tmp_path / "scan", projector="none", n_slices=2, progress=False
    )
    np.testing.assert_array_equal(scan.features, vectors)
    assert scan.slices[0].accuracy is None and scan.samples["group_label"].to_pylist() == list(labels)
    assert scan.slices.report["nmi_group"] == pytest.approx(1.0)


def test_what_does_not_go_together_is_told(pictures: list[tuple[Path, str]], tmp_path: Path) -> None:
    paths = [path for path, _ in pictures]
    vectors = vectors_of(pictures)

    def error(vectors: Any, **arguments: Any) -> str:
        with pytest.raises(ascan.SettingsError) as caught:
            ascan.embeddings(vectors, paths, out=tmp_path / "scan", progress=False, **arguments)
        return str(caught.value)

    n = len(paths)
    assert f"has {n - 1} rows, and the data set has {n} images" in error(vectors[1:])
    assert f"{n} vectors, and 3 rows of `probs`" in error(vectors, probs=np.ones((3, 2)))
    assert "in its column `probs` that are not in 0 to 1" in error(vectors, probs=np.full((n, 2), 2.0))
    assert f"has the shape [{n}]" in error(vectors[:, 0])
    assert "`features.source` is set, and so is `model.path`" in error(vectors, settings={"model.path": paths[0]})
    holed = np.where(np.arange(n)[:, None] == 7, np.nan, vectors)
    wrong = ascan.embeddings(holed, paths, out=tmp_path / "nan", projector="none", progress=False)
    assert wrong.samples["error"][7].as_py() == "its vector holds NaN or infinity"


def test_a_hundred_thousand_rows_open_at_once(tmp_path: Path) -> None:
    n = 100_000
    random = np.random.default_rng(0)
    vectors = random.normal(size=(n, 16)).astype(np.float32)
    paths = [f"{tmp_path}/pictures/{row}.png" for row in range(n)]
    labels = random.integers(0, 2, n)
    probs = np.where(labels[:, None] == [0, 1], 0.75, 0.25)
    scan = ascan.embeddings(
        vectors, paths, labels.tolist(), probs, out=tmp_path / "scan", class_names=["a", "b"],
        projector="none", slicer="minibatch_kmeans", n_slices=8, progress=False,
    )  # fmt: skip
    start = time.monotonic()
    samples = ascan.open(scan.path).samples
    # A second on a machine with nothing else to do, and the program that its tests build is a slow one.
    assert time.monotonic() - start < 5 and samples.num_rows == n
    assert isinstance(scan.features, np.memmap) and scan.features.shape == (n, 16)
    np.testing.assert_array_equal(scan.features[[0, 777, n - 1]], vectors[[0, 777, n - 1]])
