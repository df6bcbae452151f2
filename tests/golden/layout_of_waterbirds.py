"""Prints the trustworthiness of umap-learn's layouts of Waterbirds, the figures in `tests/all/real_data.rs` (the last digit moves between machines).

    ascan scan waterbirds.toml --out scan && ascan export scan --to npy -o npy      # the one of app/docs/configuration.md
    python layout_of_waterbirds.py npy/embeddings.npy
"""
import sys
import warnings

import numpy as np
import umap
from sklearn.manifold import trustworthiness

warnings.filterwarnings("ignore")
features = np.load(sys.argv[1])
for n_dims in (2, 8):
    layouts = [umap.UMAP(n_neighbors=15, min_dist=0.0, n_components=n_dims, random_state=seed).fit_transform(features) for seed in range(5)]
    scores = [trustworthiness(features, layout, n_neighbors=15) for layout in layouts]
    print(f"{n_dims} dimensions: mean {np.mean(scores):.4f}, of seeds {', '.join(f'{score:.4f}' for score in scores)}")
