"""Writes `spotlight.json`: a seeded table with spotlights of the published implementation.

The published code is the one that the package domino 0.1.5 on PyPI carries (domino/_slice/spotlight.py, a copy of
github.com/gregdeon/spotlight, torch_spotlight/spotlight.py). Of that package the one file is used, without its dependencies:

    pip download --no-deps domino==0.1.5 && unzip domino-0.1.5-py2.py3-none-any.whl -d domino-0.1.5
    python make_spotlight.py domino-0.1.5/domino/_slice/spotlight.py
"""
import importlib.util
import json
import sys
import types
from pathlib import Path

import numpy as np
import torch

source = Path(sys.argv[1])
for name, attributes in {"meerkat": ["DataPanel"], "domino": [], "domino.utils": ["unpack_args"], "domino._slice": [], "domino._slice.abstract": ["Slicer"]}.items():
    module = sys.modules[name] = types.ModuleType(name)
    for attribute in attributes:
        setattr(module, attribute, type(attribute, (), {}))
spec = importlib.util.spec_from_file_location("domino._slice.spotlight", source)
published = importlib.util.module_from_spec(spec)
spec.loader.exec_module(published)

N, D, MIN_WEIGHT = 160, 5, 16.0
rng = np.random.default_rng(5)
table = (rng.normal(size=(N, D)) * 3).astype(np.float32)
table[:20] += np.array([4, -3, 2, 0, 1], np.float32)  # where most errors are
losses = rng.exponential(0.3, N).astype(np.float32)
losses[:20] += 2
losses[20:30] += 1


def spotlights(n_slices, n_steps, n_run, learning_rate, dtype=torch.float64):
    """Spotlights whose barrier has `n_steps` widths, of which the first `n_run` steps are run."""
    torch.float = dtype  # what the published code casts to
    torch.set_default_dtype(dtype)
    schedule = np.geomspace(N - MIN_WEIGHT, 0.05 * MIN_WEIGHT, n_steps)[:n_run]
    left, found = torch.tensor(losses, dtype=dtype), []
    for _ in range(n_slices):
        _, weights, centre, log_precision = published.run_spotlight(
            torch.tensor(table), left, MIN_WEIGHT, schedule, learning_rate=learning_rate, print_every=n_run, device="cpu"
        )
        # In the published loop the last step's parameters; weights are those after it.
        found.append({"centre": centre.tolist(), "log_precision": float(log_precision), "total_weight": float(weights.sum())})
        left = left * (1 - torch.tensor(weights / weights.max()))
    return found


def deviation(a, b):
    return max(np.abs(np.array(s["centre"] + [s["log_precision"]]) - np.array(t["centre"] + [t["log_precision"]])).max() for s, t in zip(a, b))


runs = []
for n_slices, n_steps, n_run, learning_rate in [
    (1, 1000, 10, 1e-3), (3, 1000, 1000, 1e-3), (1, 400, 200, 1e-2), (1, 400, 300, 1e-2), (1, 400, 400, 1e-2), (2, 400, 300, 1e-2), (3, 400, 350, 1e-2),
    (2, 400, 400, 1e-2), (2, 250, 200, 2e-2),
]:
    run = {"n_slices": n_slices, "n_steps": n_steps, "n_run": n_run, "learning_rate": learning_rate}
    found = spotlights(n_slices, n_steps, n_run, learning_rate)
    # Where f32 alone leads elsewhere (a halving of the step a step earlier), a golden would compare rounding.
    off = deviation(found, spotlights(n_slices, n_steps, n_run, learning_rate, torch.float32))
    print(run, "f32 is off by", off, [(round(s["log_precision"], 3), round(s["total_weight"], 2)) for s in found])
    if off < 1e-4:
        runs.append(run | {"float32_deviation": off, "spotlights": found})
out = {"versions": {"domino": "0.1.5", "torch": torch.__version__, "numpy": np.__version__}, "min_weight": MIN_WEIGHT, "table": table.tolist(), "losses": losses.tolist(), "runs": runs}
Path(__file__).with_name("spotlight.json").write_text(json.dumps(out) + "\n")
