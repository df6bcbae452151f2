"""k-means, HDBSCAN, DBSCAN, OPTICS and UMAP beside their Python references: same tables, two threads, fit and assignment.
`million`: k-means and PCA on a million mapped rows, in a process that may use no more than 2 GiB of addresses.

    cargo build --release -p ascan-projection --example on_table
    python benches/slicers.py target/release/examples/on_table [umap kmeans hdbscan dbscan optics million]
"""
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "2"
warnings.filterwarnings("ignore")
import numpy as np
from sklearn.metrics import adjusted_rand_score

program, methods = sys.argv[1], sys.argv[2:] or ["umap", "kmeans", "hdbscan", "dbscan", "optics"]


def table(n, d, n_clusters=30, seed=0):
    """Clusters of several widths, a tenth of noise."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n_clusters, d)) * 2
    of_row = rng.integers(0, n_clusters, n)
    rows = centres[of_row] + rng.normal(size=(n, d)) * rng.uniform(0.4, 1, n_clusters)[of_row, None]
    noise = rng.random(n) < 0.1
    rows[noise] = rng.normal(size=(noise.sum(), d)) * 2.5
    return rows.astype(np.float32)


def ours(method, rows, params, seed=0, limit=resource.RLIM_INFINITY):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "table.f32")
        rows.tofile(path)
        result = os.path.join(folder, "out.f32")
        command = [program, method, path, *map(str, rows.shape), json.dumps(params), result, str(seed)]
        limited = lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=limited)
        text = run.stdout.read()
        _, status, usage = os.wait4(run.pid, 0)
        assert status == 0
        seconds, mib = text.split()  # not `ru_maxrss`: that counts this process from before the other was in its place
        return float(seconds), usage.ru_utime + usage.ru_stime, mib, np.fromfile(result, np.float32)


def inertia(rows, slices):
    members = (rows[slices == k].astype(np.float64) for k in np.unique(slices))
    return sum(((one - one.mean(0)) ** 2).sum() for one in members)


def theirs(run):
    start, cpu = time.perf_counter(), time.process_time()
    result = run()
    return time.perf_counter() - start, time.process_time() - cpu, result


def report(method, shape, ours, theirs, quality):
    print(
        f"{method} {shape[0]} x {shape[1]}: ours {ours[0]:.2f} s ({ours[1]:.2f} s of processor, {ours[2]} MiB in all), "
        f"reference {theirs[0]:.2f} s ({theirs[1]:.2f} s of processor): {theirs[0] / ours[0]:.1f} times; {quality}",
        flush=True,
    )


for method in methods:
    if method == "million":
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(100, 128)).astype(np.float32)[rng.integers(0, 100, 1_000_000)] * 2
        rows += rng.standard_normal(rows.shape, np.float32)
        runs = dict(kmeans=dict(n_slices=40, n_init=1, max_iterations=10, tolerance=0.0), minibatch_kmeans=dict(n_slices=40), pca=dict(n_dims=32))
        for name, params in runs.items():
            seconds, processor, mib, _ = ours(name, rows, params, limit=2 << 30)
            print(f"{name} {params}, 1000000 x 128 mapped, at most 2048 MiB: {seconds:.2f} s, {mib} MiB in all", flush=True)
        continue
    if method == "umap":
        import umap
        from sklearn.manifold import trustworthiness

        rows = table(20_000, 512)
        model = lambda: umap.UMAP(n_neighbors=15, min_dist=0.0, n_components=8)
        model().fit_transform(rows[:5_000])  # compiles
        pairs = [(ours("umap", rows, {}), theirs(lambda: model().fit_transform(rows))) for _ in range(3)]  # in turns
        mine, reference = (min(runs, key=lambda run: run[0]) for runs in zip(*pairs))
        some = np.random.default_rng(0).permutation(len(rows))[:3_000]
        trust = [trustworthiness(rows[some], y[some], n_neighbors=15) for y in (mine[3].reshape(-1, 8), reference[2])]
        report(method, rows.shape, mine, reference, "trustworthiness on 3000 rows %.4f and %.4f" % tuple(trust))
        continue
    if method == "kmeans":
        from sklearn.cluster import KMeans

        # Clusters that overlap, so that no run ends before its 20 iterations.
        rng = np.random.default_rng(0)
        rows = (rng.normal(size=(20, 512))[rng.integers(0, 20, 20_000)] * 0.1 + rng.normal(size=(20_000, 512))).astype(np.float32)
        settings = dict(n_init=1, tol=0, max_iter=20, random_state=0)
        pairs = []
        for _ in range(3):  # the least of each, in turns
            mine = ours("kmeans", rows, dict(n_slices=20, n_init=1, tolerance=0.0, max_iterations=20))
            pairs.append((mine, theirs(lambda: KMeans(20, **settings).fit(rows))))
        mine, reference = (min(runs, key=lambda run: run[0]) for runs in zip(*pairs))
        report(method, rows.shape, mine, reference, f"inertia {inertia(rows, mine[3]):.5g} and {reference[2].inertia_:.5g}")
        # One start each may be lucky: twenty, on clusters that lie apart.
        rows, seeds = table(5_000, 64), range(20)
        mine = [inertia(rows, ours("kmeans", rows, dict(n_slices=30, n_init=1), seed)[3]) for seed in seeds]
        reference = [KMeans(30, n_init=1, random_state=seed).fit(rows).inertia_ for seed in seeds]
        print("kmeans, mean and least inertia of 20 seeds, 5000 x 64: ours %.4g, %.4g, reference %.4g, %.4g" % (np.mean(mine), min(mine), np.mean(reference), min(reference)))
        continue
    rows = table(20_000, 32)
    if method == "hdbscan":
        import hdbscan

        mine = ours(method, rows, dict(min_cluster_size=15))
        reference = theirs(lambda: hdbscan.HDBSCAN(min_cluster_size=15, core_dist_n_jobs=2).fit(rows).labels_)
    elif method == "dbscan":
        from sklearn.cluster import DBSCAN

        mine = ours(method, rows, dict(eps=5.0, min_samples=10))
        reference = theirs(lambda: DBSCAN(eps=5.0, min_samples=10, n_jobs=2).fit(rows).labels_)
    else:
        from sklearn.cluster import OPTICS

        mine = ours(method, rows, dict(eps=5.0, max_eps=8.0, min_samples=10))
        reference = theirs(lambda: OPTICS(max_eps=8.0, eps=5.0, min_samples=10, cluster_method="dbscan", n_jobs=2).fit(rows).labels_)
    quality = f"{int(mine[3].max()) + 1} and {reference[2].max() + 1} slices, ARI {adjusted_rand_score(mine[3], reference[2]):.4f}"
    report(method, rows.shape, mine, reference, quality)
