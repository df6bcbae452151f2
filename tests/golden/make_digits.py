"""Writes `digits.json`: 600 digits of scikit-learn with the trustworthiness of umap-learn's layouts of them."""
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import umap
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness

images = load_digits().data[:600].astype(int)
entries = []
for params in (dict(n_components=2), dict(n_components=8), dict(n_components=2, metric="cosine", min_dist=0.1)):
    params = dict(dict(min_dist=0.0, metric="euclidean"), **params)
    scores = []
    for seed in range(5):
        layout = umap.UMAP(n_neighbors=15, random_state=seed, **params).fit_transform(images[:500])
        scores.append(trustworthiness(images[:500], layout, n_neighbors=15, metric=params["metric"]))
    model = umap.UMAP(n_neighbors=15, random_state=0, **params).fit(images[:500])
    # of the layout of all, the last 100 of them placed afterwards
    both = np.concatenate([model.embedding_, model.transform(images[500:])])
    entries.append(dict(params, scores=[round(s, 5) for s in scores], with_new=round(trustworthiness(images, both, n_neighbors=15, metric=params["metric"]), 5)))
    print(entries[-1])
digits = ["".join("0123456789abcdefg"[v] for v in row) for row in images]
out = {"versions": {name: version(name) for name in ("umap-learn", "scikit-learn", "numpy")}, "digits": digits, "umap": entries}
Path(__file__).with_name("digits.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
