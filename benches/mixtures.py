"""Mixtures in one sitting: scikit-learn's and the published Domino's beside ours, same data, same threads, same iterations.

    cargo build --release -p ascan-partition -p ascan-discovery --examples
    pip download --no-deps domino==0.1.5 && unzip domino-0.1.5-*.whl -d DOMINO
    OMP_NUM_THREADS=2 python benches/mixtures.py target/release/examples DOMINO

Each figure is the least of three runs of each in turns, seeding by k-means (scikit-learn) or by confusion cell (Domino) included.
"""
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.mixture import GaussianMixture

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "golden"))
from published_domino import load

warnings.filterwarnings("ignore")
examples, domino = Path(sys.argv[1]), sys.argv[2]
threads = os.environ.get("OMP_NUM_THREADS") or sys.exit("set OMP_NUM_THREADS")
n_iterations = 20
rng = np.random.default_rng(0)


def compare(name, theirs, command):
    """The least of three runs of each, in turns."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        theirs()
        middle = time.perf_counter() - start
        ours = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout
        seconds.append((middle, float(ours)))
    least, ours = map(min, zip(*seconds))
    print(f"{name}: theirs {least:.3f} s, ours {ours:.3f} s, {least / ours:.1f} times as fast ({threads} threads)", flush=True)


def overlapping(n, d, k):
    """Clusters that touch, so that responsibilities are soft and no run ends early."""
    return (rng.normal(size=(k, d))[rng.integers(0, k, n)] + rng.normal(size=(n, d))).astype(np.float32)


with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "table"
    n, d, k = 20_000, 64, 20
    table = overlapping(n, d, k)
    table.tofile(file)
    for ours, theirs in [("full", "full"), ("diagonal", "diag"), ("spherical", "spherical")]:
        # f64, as `fit` is documented to compute; f32 input is kept as f32 by recent versions
        for dtype in (np.float64, np.float32):
            X = table.astype(dtype)
            fit = lambda: GaussianMixture(k, covariance_type=theirs, tol=0, max_iter=n_iterations, random_state=0).fit(X)
            compare(f"gmm {ours} {n} x {d}, k = {k}, {n_iterations} iterations, theirs in {X.dtype}", fit, [examples / "gmm_speed", file, n, d, k, ours, n_iterations, threads])
    n, d, k = 20_000, 128, 25
    table = overlapping(n, d, k)
    label = rng.integers(0, 2, n)
    p = np.clip(0.5 + (label - 0.5) * 0.6 + rng.normal(size=n) * 0.2, 0.01, 0.99).astype(np.float32)
    np.concatenate([table, label[:, None].astype(np.float32), p[:, None]], 1).tofile(file)
    module = load(domino)
    probs = np.stack([1 - p, p], 1).astype(np.float64)

    def published():
        slicer = module.DominoSlicer(n_pca_components=None, n_mixture_components=k, max_iter=n_iterations, random_state=0)
        slicer.mm.tol = 0
        slicer.fit(embeddings=table.astype(np.float64), targets=label, pred_probs=probs)

    compare(f"domino {n} x {d}, {k} components, {n_iterations} iterations", published, [examples / "domino_speed", file, n, d, k, n_iterations, threads])
