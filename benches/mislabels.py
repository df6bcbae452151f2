"""`ascan mislabels` beside cleanlab on the same probabilities, both ranking all images.

    python mislabels.py planted SCAN MANIFEST GIVEN TRUE     # a scan of the column GIVEN; the label is wrong where TRUE differs
    python mislabels.py published SCAN LIST.json             # cleanlab's published list for CIFAR-10's test images

Needs `ascan` on the path (or in $ASCAN), numpy, scikit-learn and cleanlab (versions: tests/golden/requirements.txt).
"""
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.metrics import average_precision_score

ASCAN = os.environ.get("ASCAN", "ascan")
kind, scan, *rest = sys.argv[1:]
found = json.loads(subprocess.check_output([ASCAN, "mislabels", scan, "--unseen", "--json", "--quiet"]))
with tempfile.TemporaryDirectory() as folder:
    subprocess.run([ASCAN, "export", scan, "--to", "npy", "-o", folder, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    probs = np.load(Path(folder) / "probs.npy").astype(np.float64)
    with open(Path(folder) / "samples.csv") as file:
        rows = list(csv.DictReader(file))
probs /= probs.sum(1, keepdims=True)
at = np.array([int(row["id"]) for row in rows])
labels = np.array([int(row["label"]) for row in rows])
ours = np.array([np.nan if score is None else score for score in found["scores"]], dtype=float)[at]
theirs = -get_label_quality_scores(labels, probs, method="self_confidence")
assert len(probs) == len(rows) and np.isfinite(ours).all()

if kind == "planted":
    manifest, given, true = rest
    with open(manifest) as file:
        wrong = {row["path"]: row[given] != row[true] for row in csv.DictReader(file)}
    wrong = np.array([next(value for path, value in wrong.items() if row["uri"].endswith(path)) for row in rows])
    print(f"{len(rows)} images, {wrong.sum()} wrong labels ({given}), {found['n_estimated']:.0f} estimated")
    for name, scores in (("ascan", ours), ("cleanlab, self_confidence", theirs),
                         ("cleanlab, normalized_margin", -get_label_quality_scores(labels, probs, method="normalized_margin"))):
        first = np.argsort(-scores, kind="stable")[:100]
        print(f"  {name}: average precision {average_precision_score(wrong, scores):.4f}, precision@100 {wrong[first].mean():.2f}")
else:
    published = {entry["id"] for entry in json.loads(Path(rest[0]).read_text())}
    index = np.array([int(Path(row["uri"]).stem) for row in rows])
    listed = np.isin(index, list(published))
    order = np.argsort(-ours, kind="stable")
    confident = np.isin(at, [c["row"] for c in found["candidates"] if c["confident"]])
    issues = find_label_issues(labels, probs, filter_by="confident_learning")
    n = len(published)
    print(f"{n} images in cleanlab's published list, {listed.sum()} of them scanned")
    print(f"  among ascan's first {n}: {listed[order[:n]].sum()}; first {2 * n}: {listed[order[:2 * n]].sum()}")
    print(f"  among ascan's {confident.sum()} confident candidates: {listed[confident].sum()}")
    print(f"  among cleanlab's {issues.sum()} on the same probabilities: {listed[issues].sum()}; "
          f"both: {(confident & issues).sum()} (Jaccard {(confident & issues).sum() / (confident | issues).sum():.3f})")
    print(f"  average precision for the list: ascan {average_precision_score(listed, ours):.4f}, "
          f"cleanlab {average_precision_score(listed, theirs):.4f}")
