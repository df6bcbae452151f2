"""Writes `density.json`: seeded tables with the clusters of hdbscan and scikit-learn (DBSCAN, OPTICS, spectral)."""
import json
import warnings
from importlib.metadata import version
from pathlib import Path

import hdbscan
import numpy as np
from scipy.spatial.distance import cdist
from sklearn.cluster import DBSCAN, OPTICS, SpectralClustering
from sklearn.datasets import make_moons
from sklearn.metrics import adjusted_rand_score

warnings.filterwarnings("ignore")
rng = np.random.default_rng(0)
moons, _ = make_moons(200, noise=0.05, random_state=0)
planar = np.concatenate([moons * 2, rng.normal(size=(80, 2)) * 0.3 + [5, 2], rng.normal(size=(60, 2)) * 0.15 + [5.8, 2.6], rng.uniform(-4, 8, (40, 2))])
centres = rng.normal(size=(6, 5)) * 2
blobs = np.concatenate([rng.normal(size=(n, 5)) * s + c for n, s, c in zip((90, 60, 40, 30, 20, 10), (0.5, 0.9, 0.3, 0.7, 0.2, 0.2), centres)])
single = np.concatenate([rng.normal(size=(120, 3)), rng.normal(size=(20, 3)) * 6])


def rounded(a, digits=3):
    # to f32, so that a reader of f32 sees the same table
    return np.round(a, digits).astype(np.float32).astype(np.float64)


def as_list(a, digits=4):
    return [round(float(v), digits) for v in np.ravel(a)]


def predict(model, table, new, min_samples):
    """The rule of `approximate_predict` by its definition. The function itself (0.8.44) takes the distance to another
    neighbour as core distance than the fit does, and calls noise what is below a slice in the tree."""
    core = np.sort(cdist(table, table), axis=1)[:, min_samples]
    tree = model.condensed_tree_.to_numpy()
    parent = dict(zip(tree["child"], tree["parent"]))
    birth = dict(zip(tree["child"], tree["lambda_val"]))
    selected = sorted(model.condensed_tree_._select_clusters())
    labels, strengths = [], []
    for distance in cdist(new, table):
        near = np.argsort(distance)[: 2 * min_samples]
        reach = np.maximum(np.maximum(core[near], distance[near]), distance[near[min_samples - 1]])
        density = 1 / reach.min()
        cluster = parent[near[reach.argmin()]]
        while birth.get(cluster, 0) >= density:
            cluster = parent[cluster]
        while cluster not in selected and cluster in parent:
            cluster = parent[cluster]
        labels.append(selected.index(cluster) if cluster in selected else -1)
        death = tree["lambda_val"][tree["parent"] == cluster].max()
        strengths.append(min(density, death) / death if cluster in selected else 0)
    return labels, strengths


versions = {name: version(name) for name in ("hdbscan", "scikit-learn", "numpy")}
out = {"versions": versions, "tables": {}, "hdbscan": [], "dbscan": [], "optics": [], "spectral": []}
tables = {"planar": planar, "blobs": blobs, "single": single}
for name, table in tables.items():
    tables[name] = table = rounded(table[rng.permutation(len(table))])
    new = rounded(table[rng.permutation(len(table))[:50]] + rng.normal(size=(50, table.shape[1])) * 0.2)
    out["tables"][name] = {"n": len(table), "rows": as_list(table), "new": as_list(new)}
    for params in (
        dict(min_cluster_size=5),
        dict(min_cluster_size=15),
        dict(min_cluster_size=10, min_samples=3),
        dict(min_cluster_size=5, cluster_selection_method="leaf"),
        dict(min_cluster_size=8, min_samples=4, cluster_selection_epsilon=0.8),
        dict(min_cluster_size=8, min_samples=4, cluster_selection_method="leaf", cluster_selection_epsilon=0.5),
        dict(min_cluster_size=10, allow_single_cluster=True),
        dict(min_cluster_size=10, min_samples=5, allow_single_cluster=True, cluster_selection_epsilon=1.2),
        # Next to no neighbours: hardly any equal distances.
        dict(min_cluster_size=5, min_samples=1),
        dict(min_cluster_size=12, min_samples=1),
        dict(min_cluster_size=6, min_samples=2),
        dict(min_cluster_size=8, min_samples=1, cluster_selection_method="leaf"),
        dict(min_cluster_size=10, min_samples=2, cluster_selection_method="leaf"),
        dict(min_cluster_size=8, min_samples=1, cluster_selection_epsilon=0.4),
        dict(min_cluster_size=20, min_samples=1, allow_single_cluster=True),
    ):
        # Mutual reachability is full of equal distances. Where the order of the rows or the algorithm decides which comes
        # first, there is no answer to compare with.
        model = hdbscan.HDBSCAN(algorithm="generic", **params).fit(table)
        unique = True
        for algorithm in ("generic", "prims_kdtree", "boruvka_kdtree"):
            for order in [np.random.default_rng(seed).permutation(len(table)) for seed in range(6)]:
                again = hdbscan.HDBSCAN(algorithm=algorithm, approx_min_span_tree=False, **params).fit(table[order])
                unique &= adjusted_rand_score(model.labels_[order], again.labels_) == 1
        if not unique:
            print("not unique:", name, params)
            continue
        expected = dict(params, table=name, assignment=model.labels_.tolist(), strength=as_list(model.probabilities_))
        if model.labels_.max() > 0 and "cluster_selection_epsilon" not in params:
            labels, strengths = predict(model, table, new, params.get("min_samples", params["min_cluster_size"]))
            expected.update(new_assignment=labels, new_strength=as_list(strengths))
        out["hdbscan"].append(expected)
    for eps, min_samples in ((0.3, 5), (0.6, 5), (1.2, 10)):
        model = DBSCAN(eps=eps, min_samples=min_samples).fit(table)
        out["dbscan"].append(dict(table=name, eps=eps, min_samples=min_samples, assignment=model.labels_.tolist(), core=model.core_sample_indices_.tolist()))
    for min_samples in (5, 10):
        model = OPTICS(min_samples=min_samples, cluster_method="dbscan", eps=0.8).fit(table)
        reach = np.where(np.isinf(model.reachability_), -1, model.reachability_)
        out["optics"].append(dict(table=name, eps=0.8, min_samples=min_samples, assignment=model.labels_.tolist(), ordering=model.ordering_.tolist(), reachability=as_list(reach), core=as_list(model.core_distances_)))

# maps: bumps at four places of a 7 × 7 grid, with jitter, width and noise
y, x = np.mgrid[:7, :7]
place = rng.integers(0, 4, 160)
spots = np.array([[1, 1], [1, 5], [5, 2], [4, 5]])
maps = []
for p in place:
    cy, cx = spots[p] + rng.normal(size=2) * 0.5
    bump = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * rng.uniform(0.8, 1.6) ** 2))
    maps.append(np.maximum(bump + rng.normal(size=bump.shape) * 0.08, 0) * rng.uniform(0.5, 3))
maps = rounded(np.array(maps), 2)
flat = maps.reshape(len(maps), -1)
flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
out["maps"] = {"n": len(maps), "side": 7, "rows": as_list(maps, 2), "place": place.tolist()}
for n_clusters, k in ((4, 10), (3, 10), (6, 15)):
    # scikit-learn counts the row itself as a neighbour
    model = SpectralClustering(n_clusters, affinity="nearest_neighbors", n_neighbors=k + 1, random_state=0, n_init=50).fit(flat)
    out["spectral"].append(dict(n_slices=n_clusters, n_neighbours=k, assignment=model.labels_.tolist()))

Path(__file__).with_name("density.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
for entry in out["hdbscan"] + out["dbscan"] + out["optics"] + out["spectral"]:
    labels = np.array(entry["assignment"])
    print({k: v for k, v in entry.items() if not isinstance(v, list)}, labels.max() + 1, "clusters,", (labels < 0).sum(), "noise")
