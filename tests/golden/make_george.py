"""Writes `george.json`: a seeded table with the slices of GEORGE, by scikit-learn's k-means and silhouettes.

The rules are those of the published implementation (github.com/HazyResearch/hidden-stratification, 3bca875,
stratification/cluster/models/cluster.py), which does not run on current Python; the validation set's own threshold is left out.
"""
import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_samples

MAX_CLUSTERS, N_SPLITS, MIN_SHARE, MIN_SIZE, N_INIT = 10, 5, 0.005, 25, 50
rng = np.random.default_rng(1)


def cloud(n, centre, spread, loss):
    points = np.array(centre) + spread * rng.normal(size=(n, 3))
    return np.column_stack([points, loss + 0.1 * rng.random(n)])


# label 0: three clouds, each with a knot at its edge. Only the first knot is to be a slice: the second has a low loss, the third is small.
clouds = [(0, cloud(120, (0, 0, 0), 1.0, 0.2)), (0, cloud(40, (0, 0, 4.2), 0.15, 2.0))]
clouds += [(0, cloud(120, (20, 0, 0), 1.0, 0.8)), (0, cloud(40, (20, 0, 4.2), 0.15, 0.1))]
clouds += [(0, cloud(120, (0, 20, 0), 1.0, 0.2)), (0, cloud(18, (0, 20, 4.2), 0.15, 2.0))]
# label 1: two clouds, nothing to split
clouds += [(1, cloud(90, (20, 20, 0), 1.0, 0.3)), (1, cloud(70, (0, 0, 30), 1.0, 0.6))]
label = np.concatenate([[l] * len(c) for l, c in clouds])
planted = np.concatenate([[i] * len(c) for i, (_, c) in enumerate(clouds)])
order = rng.permutation(len(label))
values = np.concatenate([c for _, c in clouds])[order].round(3)  # short, and near enough to f32
table, losses, label, planted = values[:, :3], values[:, 3], label[order], planted[order]


def kmeans(rows, k):
    return KMeans(k, n_init=N_INIT, random_state=0).fit_predict(rows)


def mean_by(values, clusters):
    return {c: values[clusters == c].mean() for c in np.unique(clusters)}


assignment, n_slices, n_clusters = np.full(len(label), -1), 0, []
for value in (0, 1):
    rows = np.flatnonzero(label == value)
    x, loss = table[rows].astype(np.float64), losses[rows].astype(np.float64)
    found = [kmeans(x, k) for k in range(2, MAX_CLUSTERS + 1)]
    scores = [np.mean(list(mean_by(silhouette_samples(x, c), c).values())) for c in found]
    clusters = found[int(np.argmax(scores))]
    n_clusters.append(int(clusters.max()) + 1)
    parts = np.zeros(len(rows), int)
    for c in range(clusters.max() + 1):
        parts[clusters == c] = N_SPLITS * c + kmeans(x[clusters == c], N_SPLITS)
    before, after = mean_by(silhouette_samples(x, clusters), parts), mean_by(silhouette_samples(x, parts), parts)
    for c in range(clusters.max() + 1):
        own = [p for p in np.unique(parts[clusters == c])]
        kept = [
            p
            for p in own
            if after[p] > max(before[p], 0)
            and loss[parts == p].mean() >= loss[clusters == c].mean()
            and (parts == p).sum() >= max(MIN_SHARE * len(rows), MIN_SIZE)
        ]
        if len(kept) < len(own):
            assignment[rows[(clusters == c) & ~np.isin(parts, kept)]] = n_slices
            n_slices += 1
        for p in kept:
            assignment[rows[parts == p]] = n_slices
            n_slices += 1
print(n_clusters, n_slices, {s: dict(zip(*np.unique(planted[assignment == s], return_counts=True))) for s in range(n_slices)})
out = {"versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__}, "table": table.tolist(), "losses": losses.tolist(), "labels": label.tolist()}
out |= {"n_clusters": n_clusters, "n_slices": n_slices, "assignment": assignment.tolist()}
Path(__file__).with_name("george.json").write_text(json.dumps(out) + "\n")
