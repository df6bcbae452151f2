from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ascan
from ascan.settings import document, flags, toml

PACKAGE = Path(ascan.__file__).parent


def test_import_is_light() -> None:
    code = "import ascan, sys; print([name for name in ('torch', 'pyarrow', 'numpy', 'pandas', 'tqdm') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_function_says_what_it_takes_and_what_goes_wrong() -> None:
    for file in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, (ast.FunctionDef, ast.ClassDef)) or node.name.startswith("_"):
                continue
            # A class inside a function is nobody's, either.
            if isinstance(node, ast.ClassDef) and node.col_offset:
                continue
            words = ast.get_docstring(node)
            # A nested function is nobody's to call, and an overload has the docstring of the last one.
            is_overload = any(isinstance(of, ast.Name) and of.id == "overload" for of in node.decorator_list)
            if is_overload or (isinstance(node, ast.FunctionDef) and not _is_public(node, file)):
                continue
            assert words, f"{file.name}: {node.name} has no docstring"
            raises = any(isinstance(inner, ast.Raise) and inner.exc is not None for inner in ast.walk(node))
            if isinstance(node, ast.FunctionDef) and raises:
                assert "Raises:" in words, f"{file.name}: {node.name} raises and does not say what"


def _is_public(function: ast.FunctionDef, file: Path) -> bool:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_"))
    owners: list[ast.Module | ast.ClassDef] = [tree, *classes]
    return any(isinstance(node, ast.FunctionDef) and node.lineno == function.lineno for owner in owners for node in owner.body)


def test_what_is_exported_is_there() -> None:
    assert sorted(ascan.__all__) == ascan.__all__ and all(hasattr(ascan, name) for name in ascan.__all__)
    assert (PACKAGE / "py.typed").is_file()


def test_files_have_one_reason_to_exist() -> None:
    for file in [*PACKAGE.glob("*.py"), *Path(__file__).parent.glob("*.py")]:
        assert len(file.read_text(encoding="utf-8").splitlines()) <= 330, file


def test_settings_are_toml() -> None:
    tomllib = pytest.importorskip("tomllib", reason="Python below 3.11 has no reader of TOML")
    settings = {
        "data.classes": ["a \"b\"", "größe", "\x7f\\n"], "run.seed": 3, "features.source": Path("x.npy"), "a.b-c": True,
        "slicing.params": {"command": ["python", "-m"], "params": {"n slices": 1.5}}, "model.device": None,
    }  # fmt: skip
    read = tomllib.loads(document(settings))
    assert read["data"]["classes"] == settings["data.classes"] and read["features"]["source"] == "x.npy"
    assert read["slicing"]["params"] == settings["slicing.params"] and read["a"] == {"b-c": True} and "model" not in read
    assert list(flags({"run.seed": 3, "none": None})) == ["--set", "run.seed=3"]
    with pytest.raises(TypeError, match="not object"):
        toml(object())
