"""The other side of the plugin `process`: `python -m ascan.worker KIND FUNCTION`.

`FUNCTION` is `module:name`, `file.py:name`, or a file that `ascan` pickled. One Arrow table comes on standard input,
the answer leaves on standard output. In a TOML:

    [slicing]
    plugin = "process"
    params = { command = ["python3", "-m", "ascan.worker", "slicer", "my_slicers.py:bands"], params = { n_slices = 4 } }
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def load(name: str) -> Any:
    """The function or estimator of this name.

    Raises:
        SystemExit: If there is none; the message names what was looked for.
    """
    file, _, attribute = name.rpartition(":")
    if name.endswith(".pkl"):
        import cloudpickle

        return cloudpickle.loads(Path(name).read_bytes())
    if not file:
        sys.exit(f"`{name}` names no function: expected module:function, file.py:function or a .pkl")
    if file.endswith(".py"):
        spec = importlib.util.spec_from_file_location(Path(file).stem, file)
        if spec is None or spec.loader is None or not Path(file).is_file():
            sys.exit(f"there is no file {file}")
        module = importlib.util.module_from_spec(spec)
        sys.modules[Path(file).stem] = module
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(file)
    if not hasattr(module, attribute):
        sys.exit(f"{file} has no `{attribute}`")
    found = getattr(module, attribute)
    return getattr(found, "target", found)


def main(kind: str, name: str) -> None:
    """Reads the table, calls the function, writes its answer."""
    import pyarrow as pa

    # The answer has standard output for itself: what the function prints goes to the messages.
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        table = pa.ipc.open_stream(sys.stdin.buffer).read_all()
        answer = {"slicer": _slices, "projector": _projected, "attributor": _maps}[kind](load(name), table)
        with pa.ipc.new_stream(answers, answer.schema) as stream:
            stream.write_table(answer)


def _slices(target: Any, table: pa.Table) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    given = {
        "embeddings": _matrix(table, "embedding"),
        "labels": table["label"].to_numpy(),
        "predictions": table["predicted_class"].to_numpy(),
        "probs": _matrix(table, "probs"),
        "losses": table["loss"].to_numpy(),
        "fit": table["fit"].to_numpy(),
    }
    if "map" in table.column_names:
        size = [int(table.schema.metadata[key]) for key in (b"map_height", b"map_width")]
        given["maps"] = _matrix(table, "map").reshape(-1, *size)
    result = _estimated(target, given, table) if hasattr(target, "fit") else _called(target, given, table)
    result = np.asarray(result)
    if result.ndim == 2:
        return pa.table({"membership": _lists(result)})
    return pa.table({"assignment": pa.array(result.astype(np.int32))})


def _projected(target: Any, table: pa.Table) -> pa.Table:
    import pyarrow as pa

    given = {"embeddings": _matrix(table, "embedding"), "fit": table["fit"].to_numpy()}
    if not hasattr(target, "transform"):
        return pa.table({"projection": _lists(_called(target, given, table))})
    _seeded(target, table)
    fitted = target.fit(given["embeddings"][given["fit"]])
    return pa.table({"projection": _lists(fitted.transform(given["embeddings"]))})


def _maps(target: Any, table: pa.Table) -> pa.Table:
    import pyarrow as pa

    def shape(column: str) -> list[int]:
        text: str = table.schema.metadata[f"{column}_shape".encode()].decode()
        return [int(side) for side in text.split(",")]

    given: dict[str, Any] = {
        "images": _matrix(table, "image").reshape(-1, *shape("image")),
        "target_classes": table["target_class"].to_numpy(),
        "logits": _matrix(table, "logits"),
        "feature_map": _matrix(table, "feature_map").reshape(-1, *shape("feature_map")),
    }
    maps = _called(target, given, table)
    return pa.table({"map": _lists(maps.reshape(table.num_rows, -1))})


def _estimated(estimator: Any, given: dict[str, Any], table: pa.Table) -> Any:
    """Slices of an estimator of scikit-learn: soft ones where it has them."""
    _seeded(estimator, table)
    embeddings, fit = given["embeddings"], given["fit"]
    if not hasattr(estimator, "predict"):
        # It says nothing about other rows than those it was fitted to, so it gets all.
        return estimator.fit_predict(embeddings)
    fitted = estimator.fit(embeddings[fit])
    return fitted.predict_proba(embeddings) if hasattr(fitted, "predict_proba") else fitted.predict(embeddings)


def _seeded(estimator: Any, table: pa.Table) -> None:
    """Parameters from the settings, and the run's seed where the estimator has none of its own."""
    estimator.set_params(**json.loads(table.schema.metadata[b"params"]))
    if estimator.get_params().get("random_state", 0) is None:
        estimator.set_params(random_state=int(table.schema.metadata[b"seed"]) % 2**32)


def _called(function: Any, given: dict[str, Any], table: pa.Table) -> np.ndarray[Any, Any]:
    """What the function says: it gets what it names, and the parameters of the settings."""
    import numpy as np

    params = json.loads(table.schema.metadata[b"params"])
    offered = given | {"seed": int(table.schema.metadata[b"seed"])}
    named = inspect.signature(function).parameters
    takes_all = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in named.values())
    unknown = [key for key in params if key not in named and not takes_all]
    if unknown:
        sys.exit(f"the function takes no parameter `{unknown[0]}`; it takes {', '.join(named)}")
    return np.asarray(function(**{key: value for key, value in offered.items() if key in named}, **params))


def _matrix(table: pa.Table, column: str) -> np.ndarray[Any, Any]:
    """A column of lists of one length, `[n, k]`."""
    flat: np.ndarray[Any, Any] = table[column].combine_chunks().flatten().to_numpy()
    return flat.reshape(table.num_rows, -1)


def _lists(matrix: np.ndarray[Any, Any]) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    matrix = np.ascontiguousarray(matrix, dtype=np.float32)
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), matrix.shape[1])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
