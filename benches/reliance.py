"""How well reliance tells slices that follow a shortcut from those that follow the object: python benches/reliance.py
ASCAN SCAN SHORTCUT_COLUMN VALUE=CLASS... [--slices ID]

The truth comes from annotated groups, which `ascan suggest` does not see. An image tells something if its shortcut speaks for
another class than its label: it follows the shortcut if it is taken for that class, and the object if it is taken for its own.
An image with another VALUE has no shortcut and follows the object. A slice counts that has at least five such images, and
follows what most of them do.

    python benches/reliance.py ascan val place 0=landbird 1=waterbird
    python benches/reliance.py ascan test planted yes=ship
"""

import csv
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

N_AT_LEAST = 5


def auroc(scores, truths):
    """Share of pairs in which the one that is true has the higher score; ties count half."""
    pairs = [(s > t) + 0.5 * (s == t) for s, a in zip(scores, truths) if a for t, b in zip(scores, truths) if not b]
    return sum(pairs) / len(pairs) if pairs else float("nan")


def main(ascan, scan, column, *rest):
    rest = list(rest)
    slices = []
    if "--slices" in rest:
        at = rest.index("--slices")
        slices, rest = rest[at : at + 2], rest[:at] + rest[at + 2 :]
    means = dict(pair.split("=") for pair in rest)
    said = json.loads(subprocess.check_output([ascan, "suggest", scan, "--json", "--quiet", *slices]))
    with tempfile.TemporaryDirectory() as folder:
        subprocess.check_output([ascan, "export", scan, "--to", "csv", "-o", folder, "--slices", said["set"]])
        rows = list(csv.DictReader((Path(folder) / "samples.csv").open()))
    group = "group_" + column
    slice_of = "slice_" + said["set"]
    told = {}
    for row in rows:
        label, predicted = row["label_name"], row["prediction_name"]
        shortcut = means.get(row[group])
        counts = told.setdefault(int(row[slice_of]), Counter())
        if shortcut is None or (shortcut != label and predicted == label):
            counts["object"] += 1
        elif shortcut != label and predicted == shortcut:
            counts["shortcut"] += 1
    scores, truths, right, proposed = [], [], 0, 0
    print("slice  images that tell  follow the shortcut  reliance on the object  proposed")
    for one in said["suggestions"]:
        counts, reliance = told.get(one["slice"], Counter()), one["reliance"]
        n = counts.total()
        if n < N_AT_LEAST or reliance is None:
            continue
        share, found = counts["shortcut"] / n, reliance["object"]["mean"]
        scores.append(1 - found)
        truths.append(share > 0.5)
        if one["proposal"]:
            proposed += 1
            right += (one["proposal"] == "spurious") == (share > 0.5)
        print(f"{one['slice']:5}  {n:16}  {share:19.0%}  {found:22.0%}  {one['proposal'] or '-'}")
    print(f"{len(truths)} slices, {sum(truths)} follow the shortcut; AUROC of reliance {auroc(scores, truths):.3f}")
    print(f"{right} of {proposed} proposals are right; {said['n_passes']} forward passes per image")


if __name__ == "__main__":
    main(*sys.argv[1:])
