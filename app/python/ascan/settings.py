"""Values as the program's TOML settings take them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

#: A dotted key and a value: `{"slicing.params.n_slices": 20}`.
Settings = Mapping[str, Any]


def toml(value: Any) -> str:
    """A value in one line of TOML.

    Raises:
        TypeError: For a value that TOML does not have.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, os.PathLike)):
        # A basic string of TOML is one of JSON, but for the one control character that JSON leaves as it is.
        return json.dumps(os.fspath(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{toml(str(key))} = {toml(item)}" for key, item in value.items()) + "}"
    if hasattr(value, "tolist"):
        return toml(value.tolist())
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, (int, float)):
        return repr(value)
    raise TypeError(f"a setting is text, a number, true or false, a list or a table of these, not {type(value).__name__}")


def flags(settings: Settings) -> Iterator[str]:
    """The `--set` flags of settings; those that are `None` are left out."""
    for key, value in settings.items():
        if value is not None:
            yield "--set"
            yield f"{key}={toml(value)}"


def document(settings: Settings) -> str:
    """A TOML file with these settings: a line for each dotted key."""
    return "".join(f"{_key(key)} = {toml(value)}\n" for key, value in settings.items() if value is not None)


def _key(dotted: str) -> str:
    parts = dotted.split(".")
    return ".".join(part if part.replace("_", "").replace("-", "").isalnum() and part.isascii() else toml(part) for part in parts)
