"""Writes `planespot.json`: PlaneSpot by its paper (Plumb et al. 2022, section 4), with scikit-learn's mixture.

The plane is scaled to [0, 1] in either direction, the confidence in the label is weighted by 0.025, the number of
components of a full mixture is that of the best BIC from 10 to 32, and slices are ordered by n·e².
"""
import json
import warnings
from pathlib import Path

import numpy as np
import sklearn
from sklearn.mixture import GaussianMixture

warnings.filterwarnings("ignore")
rng = np.random.default_rng(3)
out = {"versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__}, "tables": []}


def table(n_groups, n):
    """Groups apart in the plane, two of them split by the confidence alone; each with an error rate of its own."""
    side = int(np.ceil(np.sqrt(n_groups)))
    group = rng.integers(0, n_groups + 2, n)
    place = np.where(group >= n_groups, group - n_groups, group)
    plane = np.stack([place % side, place // side], 1) * [6, 9] + rng.normal(size=(n, 2)) * rng.uniform(0.3, 0.7, (n_groups, 2))[place]
    rate = rng.permutation(np.linspace(0, 0.45, n_groups + 2))[group]
    label = rng.integers(0, 2, n)
    wrong = rng.random(n) < rate
    # a group beside its twin: the model is hardly ever sure
    p = np.where(group >= n_groups, 0.62, 0.97) - rng.uniform(0, 0.03, n)
    p = np.where(wrong, 1 - p, p)
    return np.round(plane, 3).astype(np.float32), label, np.round(p, 4).astype(np.float32)


for n_groups, n in ((10, 900), (14, 1_500)):
    plane, label, p = table(n_groups, n)
    x = plane.astype(np.float64)
    x = (x - x.min(0)) / (x.max(0) - x.min(0))
    space = np.concatenate([x, 0.025 * p.astype(np.float64)[:, None]], 1)
    fits = [GaussianMixture(k, covariance_type="full", random_state=0, n_init=5).fit(space) for k in range(10, 33)]
    bics = [fit.bic(space) for fit in fits]
    best = fits[int(np.argmin(bics))]
    assignment = best.predict(space)
    wrong = p < 0.5
    importance = [wrong[assignment == k].sum() ** 2 / max((assignment == k).sum(), 1) for k in range(best.n_components)]
    order = np.argsort(-np.array(importance), kind="stable")
    slices = np.argsort(order)[assignment]
    entry = dict(plane=[round(float(v), 3) for v in plane.ravel()], label=label.tolist(), p=[round(float(v), 4) for v in p])
    entry.update(n_components=best.n_components, bic=min(bics), assignment=slices.tolist(), importance=sorted(importance, reverse=True))
    out["tables"].append(entry)
    print(n, best.n_components, min(bics), sorted(bics)[:3], np.round(sorted(importance, reverse=True), 2))

Path(__file__).with_name("planespot.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
