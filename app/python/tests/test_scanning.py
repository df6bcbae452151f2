from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import ascan
from ascan import images as sources
from ascan import program, progress


def test_a_list_of_pictures_with_labels(demo: Path, pictures: list[tuple[Path, str]], tmp_path: Path) -> None:
    paths, labels = zip(*pictures, strict=True)
    scan = ascan.scan(
        demo / "shortcut.onnx",
        list(paths),
        labels=list(labels),
        class_names=["disc", "square"],
        out=tmp_path / "scan",
        preprocess="unit",
        attribution="layer_cam",
        projector="none",
        n_slices=4,
        progress=False,
    )
    samples = scan.samples
    assert samples["path"].to_pylist() == [str(path) for path in paths]
    assert samples["label"].to_pylist() == list(labels)
    assert scan.methods == ["layer_cam"] and len(scan.slices) <= 4
    # The same pictures in the demo's own scan have the same logits, so the same probabilities.
    whole = ascan.open(demo / "scan").samples
    rows = {path: row for row, path in enumerate(whole["path"].to_pylist())}
    expected = [whole["probs"][rows[str(path)]].as_py() for path in paths]
    np.testing.assert_allclose(samples["probs"].to_pylist(), expected, atol=1e-5)


def test_the_same_call_goes_on_and_another_one_is_refused(demo: Path, pictures: list[tuple[Path, str]], tmp_path: Path) -> None:
    paths = [path for path, _ in pictures]

    def scan(weighting: str) -> ascan.Scan:
        settings = {"features.weighting": weighting}
        out = tmp_path / "scan"
        return ascan.scan(
            demo / "shortcut.onnx", paths, out=out, preprocess="unit", projector="none", settings=settings, progress=False
        )

    assert len(scan("none")) == len(scan("none")) == len(paths)
    with pytest.raises(ascan.AscanError, match="holds a scan with other settings"):
        scan("normalised")


def test_errors_name_key_and_hint(demo: Path, pictures: list[tuple[Path, str]], tmp_path: Path) -> None:
    model, paths = demo / "shortcut.onnx", [path for path, _ in pictures]

    def error(**arguments: object) -> ascan.SettingsError:
        with pytest.raises(ascan.SettingsError) as caught:
            arguments = {"model": model, "images": paths, "preprocess": "unit"} | arguments
            ascan.scan(**arguments, out=tmp_path / "scan", progress=False)  # type: ignore[arg-type]
        return caught.value

    wrong = error(slicer="kmean")
    assert wrong.exit_code == 2 and "unknown slicer `kmean`" in str(wrong) and "kmeans" in str(wrong)
    assert "labels do not go together" in str(error(labels=["disc"]))
    assert "of type int is not understood" in str(error(model=3))
    assert "`preprocess` has no key `means`" in str(error(preprocess={"means": 1}))
    scan = ascan.open(demo / "scan")
    with pytest.raises(ascan.SettingsError) as caught:
        scan.slice("kmeans", n_clusters=3)
    assert caught.value.key == "slicing.params.n_clusters" and "n_slices" in str(caught.value.hint)
    assert caught.value.errors[0]["message"].startswith("unknown key `n_clusters`")


def test_bars_and_notes_are_for_people(
    demo: Path, pictures: list[tuple[Path, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = {"preprocess": "unit", "projector": "none", "n_slices": 2}
    ascan.scan(demo / "shortcut.onnx", [path for path, _ in pictures], out=tmp_path / "scan", **arguments)  # type: ignore[arg-type]
    said = capsys.readouterr().err
    n = len(pictures)
    # Nobody watches a bar in a file.
    assert f"a list of {n} images" in said and "\r" not in said
    ascan.open(tmp_path / "scan").slice("kmeans", n_slices=3, progress=False)
    assert capsys.readouterr().err == ""


def test_where_nobody_watches_a_line_says_now_and_then_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = iter([0.0, 5.0, 30.0, 31.0, 60.0])
    monkeypatch.setattr("time.monotonic", lambda: next(seconds))
    bars = progress.Bars()
    for done in (10, 12, 20, 21, 40):
        bars.show("asking", done, 100)
    assert capsys.readouterr().err.splitlines() == [
        "asking: 20 of 100, about 4.0 min left",
        "asking: 40 of 100, about 2.0 min left",
    ]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    bars = progress.Bars()
    bars.show("scan", 50, 50)
    bars.close()
    assert "50/50" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="signals are another matter on Windows")
def test_ctrl_c_ends_the_program_and_keeps_what_is_done(demo: Path, tmp_path: Path) -> None:
    out = tmp_path / "scan"
    code = (
        "import ascan, sys\n"
        "settings = {'run.shard_rows': 4, 'run.n_tried': 0, 'data.split': 'test'}\n"
        "try:\n"
        f"    ascan.scan({str(demo / 'shortcut.onnx')!r}, {str(demo / 'data' / 'metadata.csv')!r}, out={str(out)!r},\n"
        "        preprocess='unit', attribution='rise', settings=settings)\n"
        "except ascan.Stopped as stopped:\n"
        "    sys.exit(f'stopped: {stopped}')\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(out.glob("commits/*.json")):
        assert child.poll() is None, child.stderr.read() if child.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 1 and "images are kept" in said, said
    n_kept = len(list(out.glob("commits/*.json")))
    assert 0 < n_kept < 100
    # Nothing goes on behind the caller's back.
    time.sleep(0.5)
    assert len(list(out.glob("commits/*.json"))) == n_kept
    with pytest.raises(ascan.AscanError, match="is not finished"):
        _ = ascan.open(out).samples


def test_warnings_are_python_warnings(demo: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    good = sorted((demo / "data" / "test").glob("*.png"))[:3]
    with pytest.warns(ascan.AscanWarning):
        scan = ascan.scan(demo / "shortcut.onnx", [*good, broken], out=tmp_path / "scan", preprocess="unit", progress=False)
    errors = scan.samples["error"].to_pylist()
    assert errors[:3] == [None] * 3 and errors[3]


def test_the_program_is_found_where_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = program.find()
    monkeypatch.setenv("ASCAN", str(tmp_path / "nothing"))
    with pytest.raises(ascan.AscanError, match=r"names `.*nothing`, which is no program"):
        program.find()
    monkeypatch.setenv("ASCAN", str(found))
    assert program.find() == found
    monkeypatch.delenv("ASCAN")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sysconfig.get_path", lambda *_: str(tmp_path))
    with pytest.raises(ascan.AscanError, match="is neither in") as error:
        program.find()
    assert "pip install attribution-scanner" in str(error.value)


def test_folders_and_mappings(demo: Path, tmp_path: Path) -> None:
    folder = demo / "data" / "test"
    names = sorted(path.name for path in folder.glob("*.png"))[:4]
    source = sources.prepare(folder, dict.fromkeys(names, "disc"), tmp_path)
    table = source.path.read_text(encoding="utf-8").splitlines()
    assert table[0] == "path,label" and len(table) == 5 and table[1].endswith(",disc")
    with pytest.raises(ascan.SettingsError, match="`labels` do not go with these images"):
        sources.prepare(folder, ["disc"], tmp_path)
    with pytest.raises(ascan.SettingsError, match="of type int are not understood"):
        sources.prepare(3, None, tmp_path)
