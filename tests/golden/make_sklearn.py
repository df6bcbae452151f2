"""Writes `sklearn.json`: a seeded table with scikit-learn's k-means, PCA and NMI."""
import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, homogeneity_score, normalized_mutual_info_score, silhouette_score

rng = np.random.default_rng(0)
centres = rng.normal(size=(4, 5)) * 2.5
group = np.repeat(np.arange(4), 15)
# rounded to f32, so that a reader of f32 sees the same table; columns of unlike scale, so that PCA has an order
table = ((centres[group] + rng.normal(size=(60, 5))) * [1, 1.5, 0.7, 2, 0.4] + [0, 1, -2, 3, 0]).astype(np.float32).astype(np.float64)

out = {"versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__}, "table": table.tolist(), "group": group.tolist(), "kmeans": []}
for k in (2, 4, 7):
    model = KMeans(k, n_init=200, random_state=0, algorithm="lloyd", tol=0).fit(table)
    out["kmeans"].append(
        {
            "k": k,
            "inertia": model.inertia_,  # the best of 200 starts
            "centroids": model.cluster_centers_.tolist(),
            "assignment": model.labels_.tolist(),
            "nmi_group": normalized_mutual_info_score(group, model.labels_),
            "ari_group": adjusted_rand_score(group, model.labels_),
            "homogeneity_group": homogeneity_score(group, model.labels_),
            "silhouette": silhouette_score(table, model.labels_),
        }
    )
# one Lloyd run from given centroids: the first rows of the table
start = table[:4]
model = KMeans(4, init=start, n_init=1, algorithm="lloyd", tol=0, max_iter=300).fit(table)
out["lloyd"] = {"start": "rows 0, 1, 2, 3", "inertia": model.inertia_, "n_iter": model.n_iter_, "centroids": model.cluster_centers_.tolist()}
pca = PCA(5, svd_solver="full").fit(table)
out["pca"] = {
    "mean": pca.mean_.tolist(),
    "components": pca.components_.tolist(),  # rows; sign is free
    "explained_variance": pca.explained_variance_.tolist(),  # n − 1 in the denominator
    "explained_variance_ratio": pca.explained_variance_ratio_.tolist(),
    "singular_values": pca.singular_values_.tolist(),
    "transformed_first_row": pca.transform(table[:1])[0].tolist(),
}
Path(__file__).with_name("sklearn.json").write_text(json.dumps(out) + "\n")
print({m["k"]: (m["inertia"], m["nmi_group"]) for m in out["kmeans"]}, out["lloyd"]["inertia"], out["pca"]["explained_variance"])
