"""Writes `mixtures.json`: Gaussian mixtures and indices of cluster quality of scikit-learn, and the published Domino's mixture, from given starts.

`python make_mixtures.py DOMINO`, where DOMINO is the folder in which the wheel of `domino` 0.1.5 was unpacked.
"""
import json
import sys
from pathlib import Path

import numpy as np
import sklearn
from sklearn.metrics import davies_bouldin_score, silhouette_samples, silhouette_score
from sklearn.mixture import GaussianMixture

sys.path.insert(0, str(Path(__file__).parent))
from published_domino import load

rng = np.random.default_rng(5)
n, d, k = 160, 4, 3
centres = np.array([[0, 0, 0, 0], [3, 1, -2, 0], [0, -3, 2, 1.5]])
group = rng.integers(0, k, n)
# numbers with four decimals, far from zero on average, so that centring matters
table = np.round(centres[group] + rng.normal(size=(n, d)) @ np.array([[1, 0.4, 0, 0], [0, 0.8, 0, 0.3], [0, 0, 1.3, 0], [0, 0, 0, 0.5]]) + [5, -3, 0, 1], 4)
table = table.astype(np.float32).astype(np.float64)
start = np.where(rng.random(n) < 0.3, rng.integers(0, k, n), group)
one_hot = np.eye(k)[start]
out = {"versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__, "domino": "0.1.5"}, "table": np.round(table, 4).tolist(), "start": start.tolist(), "gmm": []}


class From(GaussianMixture):
    """Starts from `one_hot`."""

    def _initialize_parameters(self, X, random_state, **_kwargs):
        self._initialize(X, one_hot)


for name, covariance in [("full", "full"), ("diagonal", "diag"), ("spherical", "spherical")]:
    model = From(k, covariance_type=covariance, tol=1e-4, max_iter=100).fit(table)
    out["gmm"].append(
        {
            "covariance": name,
            "n_iter": model.n_iter_,
            "log_likelihood": model.lower_bound_,
            "score": model.score(table),
            "bic": model.bic(table),
            "weights": model.weights_.tolist(),
            "means": model.means_.tolist(),
            "covariances": model.covariances_.tolist(),
            "membership_head": model.predict_proba(table[:8]).tolist(),
        }
    )
out["quality"] = {
    "silhouette": silhouette_score(table, group),
    "silhouette_head": silhouette_samples(table, group)[:8].tolist(),
    "davies_bouldin": davies_bouldin_score(table, group),
    "group": group.tolist(),
}

# Domino: labels follow the groups, the model errs in one of them.
label = (group == 1).astype(int)
p = np.clip(np.where(group == 2, 0.75, np.where(label == 1, 0.85, 0.12)) + rng.normal(size=n) * 0.08, 0.01, 0.99)
probs = np.stack([1 - p, p], 1).astype(np.float32).astype(np.float64)
n_components = 6
noise = rng.integers(0, 1000, (n, n_components))


class Noise:
    def rand(self, *shape):
        assert shape == noise.shape
        return noise / 1000


module = load(sys.argv[1])
module.check_random_state = lambda _seed: Noise()
out["domino"] = {"labels": label.tolist(), "p1": probs[:, 1].tolist(), "noise": noise.tolist(), "fits": []}
for n_pca_components in (0, 3):
    model = module.DominoSlicer(
        n_slices=3, n_pca_components=n_pca_components or None, n_mixture_components=n_components, y_log_likelihood_weight=2, y_hat_log_likelihood_weight=3, confusion_noise=0.2, max_iter=100
    ).fit(embeddings=table, targets=label, pred_probs=probs)
    out["domino"]["fits"].append(
        {
            "n_pca_components": n_pca_components,
            "n_iter": model.mm.n_iter_,
            "log_likelihood": model.mm.lower_bound_,
            "weights": model.mm.weights_.tolist(),
            "y_probs": model.mm.y_probs.tolist(),
            "y_hat_probs": model.mm.y_hat_probs.tolist(),
            "slices": model.slice_cluster_indices.tolist(),
            "membership_head": model.predict_proba(embeddings=table[:20], targets=np.r_[label[:20]], pred_probs=probs[:20]).tolist(),
        }
    )
Path(__file__).with_name("mixtures.json").write_text(json.dumps(out) + "\n")
print([(m["covariance"], m["n_iter"], m["log_likelihood"]) for m in out["gmm"]], out["quality"]["silhouette"], out["quality"]["davies_bouldin"])
print([(m["n_iter"], m["log_likelihood"], m["slices"], m["weights"]) for m in out["domino"]["fits"]])
