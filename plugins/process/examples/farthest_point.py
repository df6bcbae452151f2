"""A slicer for `plugin = "process"`: the nearest of `n_slices` images that lie far from each other."""
import json
import sys

import numpy as np
import pyarrow as pa

table = pa.ipc.open_stream(sys.stdin.buffer).read_all()
params = json.loads(table.schema.metadata[b"params"])
embeddings = table["embedding"].combine_chunks().flatten().to_numpy().reshape(table.num_rows, -1)
fit = embeddings[table["fit"].to_numpy()]

def distances(rows, centre):
    return ((rows - centre) ** 2).sum(axis=1)

centres = [fit[distances(fit, fit.mean(axis=0)).argmax()]]
while len(centres) < params.get("n_slices", 5):
    centres.append(fit[np.min([distances(fit, centre) for centre in centres], axis=0).argmax()])
assignment = np.argmin([distances(embeddings, centre) for centre in centres], axis=0)

answer = pa.table({"assignment": assignment.astype(np.int32)})
with pa.ipc.new_stream(sys.stdout.buffer, answer.schema) as stream:
    stream.write_table(answer)
