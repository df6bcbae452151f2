from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ascan


def stored(scan: ascan.Scan, column: str) -> pa.Table:
    files = sorted((scan.path / "data").glob("features-*.arrow"))
    table = pa.concat_tables([pa.ipc.open_file(pa.memory_map(str(file))).read_all() for file in files])
    return np.stack(table[column].to_numpy())


def test_samples_say_what_the_files_say(scan: ascan.Scan) -> None:
    samples = scan.samples
    assert samples.column_names[:8] == ["path", "label", "prediction", "probs", "loss", "slice", "verdict", "spuriousness"]
    raw = pa.concat_tables([pq.read_table(file) for file in sorted((scan.path / "data").glob("*.parquet"))])
    assert samples.num_rows == len(scan) == raw.num_rows == 400
    assert samples["label_index"].to_pylist() == raw["label"].to_pylist()
    names = scan.class_names
    assert names == ["disc", "square"]
    assert samples["prediction"].to_pylist() == [names[index] for index in raw["prediction"].to_pylist()]
    assert samples["loss"].to_pylist() == raw["loss"].to_pylist()
    assert {"error", "group_shape", "group_ground"} <= set(samples.column_names)
    assert all(Path(path).is_file() for path in samples["path"].to_pylist())
    assert samples["verdict"].null_count == 400 and samples["spuriousness"].null_count == 400
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    assert isinstance(samples.to_pandas(), pandas.DataFrame)


def test_features_and_maps_are_mapped_and_equal_the_files(scan: ascan.Scan) -> None:
    features = scan.features
    assert isinstance(features, np.memmap) and features.shape == (400, scan.plan["features"]["n_dims"])
    np.testing.assert_array_equal(features, stored(scan, "embedding"))
    maps = scan.maps("grad_cam")
    assert isinstance(maps, np.memmap) and maps.shape == (400, 8, 8) and scan.methods == ["grad_cam"]
    np.testing.assert_array_equal(maps.reshape(400, -1), stored(scan, "attribution"))
    with pytest.raises(ascan.AscanError, match="unknown array `lime`") as error:
        scan.maps("lime")
    assert error.value.hint == "available: embeddings, grad_cam"


def test_slices_are_ranked_and_hold_their_images(scan: ascan.Scan) -> None:
    slices = scan.slices
    assert len(slices) == 8 and sum(len(found) for found in slices) == 400
    worst = slices[0]
    assert worst.needs_verdict and worst.accuracy is not None and worst.accuracy < 0.35 and worst.interval is not None
    assert worst.interval[0] - 1e-9 <= worst.accuracy <= worst.interval[1] + 1e-9
    samples = scan.samples
    paths = [samples["path"][row].as_py() for row in worst.rows.tolist()]
    assert sorted(worst.images) == sorted(paths) and len(worst.images) == worst.size
    assert set(samples["slice"].to_numpy()[worst.rows]) == {worst.id}
    assert re.search(r"disc → square|square → disc", worst.title)
    assert slices.by_id(worst.id) is worst
    with pytest.raises(KeyError, match="has no slice 99; there are 0, 1"):
        slices.by_id(99)


def test_slicing_again_is_kept_beside_and_is_the_newest(scan: ascan.Scan) -> None:
    before = scan.slices.id
    again = scan.slice("kmeans", n_slices=3, progress=False)
    assert len(again) == 3 and scan.slices.id == again.id != before and set(scan.slice_sets) == {before, again.id}
    assert len(scan.slices_of(before)) == 8
    with pytest.raises(ascan.AscanError, match="no slice set `none_such`"):
        scan.slices_of("none_such")


def test_verdicts_are_given_spread_and_seen(scan: ascan.Scan) -> None:
    worst, best = scan.slices[0], scan.slices[-1]
    scan.mark(worst.id, "spurious", note="the ground")
    best.mark("core")
    scan.mark(images=[0, 1], verdict="noisy_label")
    verdicts = scan.samples["verdict"].to_pylist()
    assert verdicts[:2] == ["noisy_label"] * 2
    for found, mark in ((worst, "spurious"), (best, "core")):
        assert {verdicts[row] for row in found.rows.tolist() if row > 1} == {mark}
    spread = scan.spread(progress=False)
    assert spread.accepted and 0 < spread.n_spurious <= spread.n_known
    known = scan.samples["spuriousness"].drop_null().to_numpy()
    assert len(known) >= spread.n_known and known.min() >= 0.0 and known.max() <= 1.0
    assert "spurious" in scan.slices._repr_html_()
    with pytest.raises(ascan.SettingsError):
        scan.mark(worst.id, "nonsense")


def test_the_model_is_asked_and_its_proposals_are_verdicts(scan: ascan.Scan) -> None:
    suggestions = scan.suggest(progress=False)
    assert {found.slice for found in suggestions} == {found.id for found in scan.slices}
    assert all(0 <= found.report["reliance"]["object"]["mean"] <= 1 for found in suggestions)
    proposed = {found.slice: found.proposal for found in suggestions if found.proposal}
    assert "spurious" in proposed.values() and repr(suggestions[0]).startswith(f"<slice {suggestions[0].slice}: ")
    given = {found.slice: found.verdict for found in scan.suggest(accept=True, progress=False)}
    assert set(given.values()) == {None}, "they are given after they were read"
    assert {found.slice: found.verdict for found in scan.suggest(progress=False) if found.verdict} == proposed


def test_two_models_are_compared(scan: ascan.Scan, tmp_path: Path) -> None:
    found = scan.compare(scan, report=tmp_path / "compared.html", progress=False)
    assert (
        found.accuracy[0]
        == found.accuracy[1]
        == pytest.approx(np.mean(scan.samples["label_index"].to_numpy() == scan.samples["prediction_index"].to_numpy()))
    )
    assert found.worst_slice is not None and found.worst_slice[0] < found.accuracy[0] and "worst slice" in repr(found)
    assert "<html" in (tmp_path / "compared.html").read_text(encoding="utf-8")


def test_pictures_pages_and_words(scan: ascan.Scan, tmp_path: Path) -> None:
    picture = scan.mosaic(tmp_path / "mosaic.png")
    assert picture.png.startswith(b"\x89PNG") and picture._repr_png_() == (tmp_path / "mosaic.png").read_bytes()
    assert re.search(r"\d{3,} × \d{3,} pixels", repr(picture))
    assert scan.slices[0].picture().png != scan.slices[1].picture().png
    with pytest.raises(IndexError, match="there are 8 slices"):
        scan.slices[999]
    page = scan.report(tmp_path / "r.html").read_text(encoding="utf-8")
    assert "disc → square" in page
    for text in (repr(scan), scan._repr_html_()):
        assert "shortcut.onnx" in text and "disc, square" in text
    assert scan.slices.id in repr(scan.slices) and "clearly worse" in repr(scan.slices[0])


def test_a_scan_goes_to_hugging_face(scan: ascan.Scan) -> None:
    pytest.importorskip("datasets", reason="Hugging Face's datasets is not installed")
    data = scan.to_hf()
    assert len(data) == 400 and data[0]["image"].size == (64, 64)


def test_a_repair_gives_a_model(scan: ascan.Scan, tmp_path: Path) -> None:
    scan.slices[0].mark("spurious")
    scan.slices[-1].mark("core")
    scan.spread(progress=False)
    try:
        repaired = scan.repair(tmp_path / "repair", "dfr", settings={"repair.epochs": 1, "repair.check": False}, progress=False)
    except ascan.AscanError as error:
        pytest.fail(str(error))
    assert repaired.model.is_file() and repaired.summary["plugin"] == "dfr" and str(repaired.model) in repr(repaired)


def test_what_is_no_scan_says_so(tmp_path: Path, scan: ascan.Scan) -> None:
    with pytest.raises(ascan.AscanError, match="holds no scan") as error:
        ascan.open(tmp_path)
    assert error.value.hint and "ascan.scan" in error.value.hint
    (scan.path / "data" / "samples-00001.parquet").unlink()
    with pytest.raises(ascan.AscanError, match="is not finished: 256 of 400 images"):
        _ = ascan.open(scan.path).samples
    (scan.path / "plan.json").write_text("{", encoding="utf-8")
    with pytest.raises(ascan.AscanError, match=r"plan\.json cannot be read"):
        ascan.open(scan.path)


def test_plan_is_the_file(scan: ascan.Scan) -> None:
    assert scan.plan == json.loads((scan.path / "plan.json").read_text(encoding="utf-8"))
