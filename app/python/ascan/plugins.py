"""Methods written in Python: the program runs them by its plugin `process`, in a process of their own."""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, overload

#: What the function of each kind gets and gives.
KINDS = ("slicer", "attributor", "projector")


class Plugin:
    """A function, or an estimator of scikit-learn, that the program can call.

    Attributes:
        kind: `slicer`, `attributor` or `projector`.
        target: The function or the estimator.
        name: What it is called in results.
        options: Parameters of the plugin `process` that go with it.
    """

    def __init__(self, kind: str, target: Any, options: Mapping[str, Any]) -> None:
        if not (callable(target) or hasattr(target, "fit")):
            raise TypeError(f"a {kind} is a function or an estimator of scikit-learn, not {type(target).__name__}")
        self.kind = kind
        self.target = target
        self.name = getattr(target, "__name__", type(target).__name__).lower()
        self.options = dict(options)
        self.__doc__ = getattr(target, "__doc__", None)

    def __call__(self, *arguments: Any, **params: Any) -> Any:
        """Calls the function itself."""
        return self.target(*arguments, **params)

    def params(self, folder: Path, params: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of the plugin `process` that run this one.

        A function of a module that Python can import is named; any other, one of a notebook say, is kept in a file of
        `folder`, which is made if need be.
        """
        command = [sys.executable, "-m", "ascan.worker", self.kind, self._named() or self._kept(folder)]
        # Written out, so that nothing is left of a function that was there before.
        options = {"timeout_secs": 600} | ({"maps": False} if self.kind == "slicer" else {}) | self.options
        return {"command": command, "params": dict(params), **options}

    def _named(self) -> str | None:
        """`module:function`, where another process can import it without more ado."""
        module = getattr(self.target, "__module__", None)
        name = getattr(self.target, "__qualname__", "")
        # A decorated function is a Plugin under its own name there, and only installed modules are found from everywhere.
        found = getattr(sys.modules.get(module or ""), name, None) if module not in (None, "__main__") else None
        file = getattr(sys.modules.get(module or ""), "__file__", "") or ""
        is_installed = any(part in ("site-packages", "dist-packages") for part in Path(file).parts)
        return f"{module}:{name}" if is_installed and (found is self or found is self.target) else None

    def _kept(self, folder: Path) -> str:
        import cloudpickle

        module = inspect.getmodule(self.target)
        # A module beside a script is not found from another folder, so it travels with the function.
        by_value = module is not None and module.__name__ != "__main__" and not hasattr(self.target, "fit")
        if by_value:
            cloudpickle.register_pickle_by_value(module)
        try:
            pickled: bytes = cloudpickle.dumps(self.target)
        finally:
            if by_value:
                cloudpickle.unregister_pickle_by_value(module)
        file = folder / f"{self.name.strip('<>')}-{hashlib.sha256(pickled).hexdigest()[:8]}.pkl"
        folder.mkdir(parents=True, exist_ok=True)
        file.write_bytes(pickled)
        return str(file.resolve())

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"


def inputs_of(out: str | os.PathLike[str]) -> Path:
    """The folder beside a scan that holds what was made for it: tables, pictures, an exported model, pickled functions."""
    path = Path(out)
    return path.with_name(f"{path.name}.inputs")


def settings_of(
    section: str, chosen: str | Plugin | None, params: Mapping[str, Any], out: str | os.PathLike[str]
) -> dict[str, Any]:
    """The settings that name a plugin and its parameters.

    Raises:
        TypeError: For a plugin of another kind.
    """
    kind = {"slicing": "slicer", "attribution": "attributor", "projection": "projector"}[section]
    if isinstance(chosen, Plugin):
        if chosen.kind != kind:
            raise TypeError(f"{chosen!r} is no {kind}")
        given = chosen.params(inputs_of(out), {key: value for key, value in params.items() if value is not None})
        return {f"{section}.plugin": "process"} | {f"{section}.params.{key}": value for key, value in given.items()}
    named = {} if chosen is None else {f"{section}.plugin": chosen}
    return named | {f"{section}.params.{key}": value for key, value in params.items() if value is not None}


@overload
def slicer(target: None = None, **options: Any) -> Callable[[Any], Plugin]: ...
@overload
def slicer(target: Any, **options: Any) -> Plugin: ...
def slicer(target: Any = None, **options: Any) -> Plugin | Callable[[Any], Plugin]:
    """Makes a function a slicer: `scan.slice(f)`, `ascan.scan(…, slicer=f)`, `ascan.bench([f, "kmeans"])`.

    The function gets `embeddings` `[n, d]`, `labels` `[n]` (-1: unknown), `predictions` `[n]`, `probs` `[n, k]`, `losses`
    `[n]` (NaN: unknown) as arrays of NumPy, and parameters by keyword. It gives the slice of each image, `[n]` integers
    from 0 (-1: none), or the share of each image in each slice, `[n, n_slices]` in 0 to 1. Arguments that it does not
    name it does not get; it may also name `fit` `[n]` (which rows to fit to) and `seed`.

    An estimator of scikit-learn (`ascan.slicer(KMeans(20))`) is fitted to the embeddings.

    Args:
        target: The function or estimator; left out where options are given: `@ascan.slicer(timeout_secs=60)`.
        **options: `timeout_secs`, and `maps=True` for a function that also names `maps` `[n, h, w]`.

    Raises:
        TypeError: For anything else.
    """
    return _decorated("slicer", target, options)


@overload
def projector(target: None = None, **options: Any) -> Callable[[Any], Plugin]: ...
@overload
def projector(target: Any, **options: Any) -> Plugin: ...
def projector(target: Any = None, **options: Any) -> Plugin | Callable[[Any], Plugin]:
    """Makes a function a projector: `ascan.scan(…, projector=f)`.

    The function gets `embeddings` `[n, d]` and gives `[n, n_dims]`. It may also name `fit` `[n]` (which rows to fit to),
    `seed` and parameters. An estimator with `transform` is fitted and applied.

    Raises:
        TypeError: For anything else than a function or an estimator.
    """
    return _decorated("projector", target, options)


@overload
def attributor(target: None = None, **options: Any) -> Callable[[Any], Plugin]: ...
@overload
def attributor(target: Any, **options: Any) -> Plugin: ...
def attributor(target: Any = None, **options: Any) -> Plugin | Callable[[Any], Plugin]:
    """Makes a function an attribution method: `ascan.scan(…, attribution=f)`.

    The function gets `images` `[n, c, h, w]` as the model does, `target_classes` `[n]`, `logits` `[n, k]`, `feature_map`
    `[n, c, h', w']` of the model's last one, and gives maps `[n, h', w']` in any unit: higher where the image speaks
    more for its class.

    Raises:
        TypeError: For anything else than a function.
    """
    return _decorated("attributor", target, options)


def _decorated(kind: str, target: Any, options: Mapping[str, Any]) -> Plugin | Callable[[Any], Plugin]:
    if target is None:
        return lambda target: Plugin(kind, target, options)
    return Plugin(kind, target, options)
