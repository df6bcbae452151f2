"""The wheel itself, where one was built: `maturin build --release`, then its file in the variable `ASCAN_WHEEL`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

WHEEL = os.environ.get("ASCAN_WHEEL", "")
pytestmark = pytest.mark.skipif(not WHEEL, reason="no wheel was built: name one in the variable ASCAN_WHEEL")


def test_it_is_small_and_whole() -> None:
    assert Path(WHEEL).stat().st_size < 60 << 20
    names = zipfile.ZipFile(WHEEL).namelist()
    assert any(name.endswith((".data/scripts/ascan", ".data/scripts/ascan.exe")) for name in names)
    assert {"ascan/__init__.py", "ascan/py.typed", "ascan/worker.py"} <= set(names)
    assert not [name for name in names if "tests" in name or name.endswith(".ipynb")]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is of Linux")
def test_its_name_says_which_glibc_it_asks_for(tmp_path: Path) -> None:
    elffile: Any = pytest.importorskip("elftools.elf.elffile", reason="pyelftools is not installed")
    wheel = zipfile.ZipFile(WHEEL)
    program = wheel.extract(next(name for name in wheel.namelist() if name.endswith("scripts/ascan")), tmp_path)
    with Path(program).open("rb") as file:
        section = elffile.ELFFile(file).get_section_by_name(".gnu.version_r")
        asked = [version.name for _, versions in section.iter_versions() for version in versions]
    floor = max(tuple(map(int, name[len("GLIBC_") :].split("."))) for name in asked if name.startswith("GLIBC_2"))
    tag = next(tag for tag in Path(WHEEL).stem.split("-")[-1].split(".") if tag.startswith("manylinux_"))
    promised = tuple(map(int, tag.split("_")[1:3]))
    assert floor <= promised, f"the program asks for glibc {floor}, and the wheel promises {promised}"


def test_pip_installs_it_and_the_demo_runs_without_a_compiler(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "fresh"], check=True)
    scripts = tmp_path / "fresh" / ("Scripts" if os.name == "nt" else "bin")
    start = time.monotonic()
    installed = subprocess.run([scripts / "python", "-m", "pip", "install", "--quiet", WHEEL], capture_output=True, text=True)
    if "Could not find a version" in installed.stderr:
        pytest.skip("pip can install nothing here")
    assert installed.returncode == 0, installed.stderr
    # Nothing but the environment's own scripts: no cc, no cargo.
    alone = {"PATH": str(scripts), "HOME": str(tmp_path)} | {key: os.environ[key] for key in ("SYSTEMROOT",) if key in os.environ}
    demo = subprocess.run([scripts / "ascan", "demo"], cwd=tmp_path, env=alone, capture_output=True, text=True)
    assert demo.returncode == 0, demo.stderr
    assert demo.stdout.startswith("the worst group rose by ") and "warning" not in demo.stderr
    assert time.monotonic() - start < 120
    code = "import ascan; scan = ascan.open('ascan-demo/scan'); print(len(scan.slices), scan.samples.num_rows)"
    read = subprocess.run([scripts / "python", "-c", code], cwd=tmp_path, env=alone, capture_output=True, text=True)
    assert read.stdout.split() == ["8", "400"], read.stderr
