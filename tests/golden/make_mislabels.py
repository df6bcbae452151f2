"""Writes `mislabels.json`: seeded labels with planted mistakes, out-of-sample probabilities, and what cleanlab makes of them."""
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from cleanlab.count import compute_confident_joint
from cleanlab.rank import get_label_quality_scores
from sklearn.metrics import average_precision_score


def planted(seed, n, k, noise, sharpness, pairwise, balanced, confidence):
    """Labels, a share of them moved to another class (to the next one mostly, with `pairwise`), and the probabilities of
    a model that is better on some classes than on others."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(k, n, p=np.ones(k) / k if balanced else rng.dirichlet(np.full(k, 2.0)))
    logits = rng.normal(size=(n, k)) + 0.5 * rng.normal(size=k)
    logits[np.arange(n), truth] += (sharpness * rng.uniform(0.5, 1.5, k))[truth]
    probs = np.exp(confidence * (logits - logits.max(1, keepdims=True)))
    # in ten thousandths, so that a reader of f32 sees the same numbers, and they sum to 1
    parts = np.floor(10_000 * probs / probs.sum(1, keepdims=True)).astype(int)
    parts[np.arange(n), parts.argmax(1)] += 10_000 - parts.sum(1)
    labels = truth.copy()
    for i in np.flatnonzero(rng.random(n) < noise):
        others = [c for c in range(k) if c != truth[i]]
        labels[i] = (truth[i] + 1) % k if pairwise and rng.random() < 0.7 else rng.choice(others)
    return labels, parts, labels != truth


sets = []
for seed, settings in enumerate((
    dict(noise=0.1, sharpness=3.0, pairwise=False, balanced=True, confidence=1.0),
    dict(noise=0.05, sharpness=3.0, pairwise=False, balanced=True, confidence=1.0),
    dict(noise=0.25, sharpness=2.5, pairwise=True, balanced=True, confidence=1.0),
    dict(noise=0.15, sharpness=3.0, pairwise=True, balanced=False, confidence=1.0),
    dict(noise=0.15, sharpness=2.0, pairwise=False, balanced=False, confidence=3.0),
)):
    labels, parts, wrong = planted(seed, n=1000, k=5, **settings)
    probs = parts / 10_000
    joint, issues = compute_confident_joint(labels, probs, calibrate=True, return_indices_of_off_diagonals=True)
    scores = get_label_quality_scores(labels, probs, method="self_confidence")
    order = np.argsort(scores, kind="stable")
    sets.append(dict(
        settings,
        labels=labels.tolist(),
        parts=parts.ravel().tolist(),
        wrong=wrong.astype(int).tolist(),
        n_estimated=int(joint.sum() - np.trace(joint)),
        issues=sorted(int(i) for i in issues),
        self_confidence=dict(average_precision=average_precision_score(wrong, -scores), precision_at_100=float(wrong[order[:100]].mean())),
    ))
    print(settings, int(wrong.sum()), "wrong,", sets[-1]["n_estimated"], "estimated,", sets[-1]["self_confidence"])
out = {"versions": {name: version(name) for name in ("cleanlab", "scikit-learn", "numpy")}, "sets": sets}
Path(__file__).with_name("mislabels.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
