"""Writes `spreading.json`: a seeded table with a few labels, and the shares of scikit-learn's LabelSpreading."""
import json
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn.semi_supervised import LabelSpreading

warnings.filterwarnings("ignore")
rng = np.random.default_rng(0)
centres = rng.normal(size=(6, 4)) * 2
cluster = rng.integers(0, 6, 240)
# to f32, so that a reader of f32 sees the same table
table = np.round(centres[cluster] + rng.normal(size=(240, 4)), 3).astype(np.float32).astype(np.float64)
labels = np.where(rng.random(240) < 0.15, cluster % 3, -1)

runs = []
for kernel, alpha, gamma, n_neighbors in (
    ("rbf", 0.2, 0.5, None),
    ("rbf", 0.8, 0.5, None),
    ("rbf", 0.2, 3.0, None),
    ("rbf", 0.5, 0.05, None),
    ("knn", 0.2, None, 10),
    ("knn", 0.9, None, 10),
    ("knn", 0.5, None, 25),
):
    # scikit-learn counts the row itself as a neighbour
    width = dict(gamma=gamma) if kernel == "rbf" else dict(n_neighbors=n_neighbors + 1)
    model = LabelSpreading(kernel=kernel, alpha=alpha, max_iter=5000, tol=1e-12, **width).fit(table, labels)
    shares = [round(float(v), 7) for v in model.label_distributions_.ravel()]
    runs.append(dict(kernel=kernel, alpha=alpha, gamma=gamma, n_neighbors=n_neighbors, shares=shares))
    print(kernel, alpha, gamma or n_neighbors, model.n_iter_, "iterations")

out = {
    "versions": {name: version(name) for name in ("scikit-learn", "numpy")},
    "table": [round(float(v), 3) for v in table.ravel()],
    "labels": [None if label < 0 else int(label) for label in labels],
    "runs": runs,
}
Path(__file__).with_name("spreading.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
