#!/bin/sh
# Scans on a device beside the CPU, a forward method and a gradient method, two rounds: sh benches/device.sh DEVICE CONFIG OUT
#
# DEVICE is one of ort's (cuda, tensorrt, coreml, directml, openvino, webgpu), CONFIG a scan's configuration, OUT gets the scans.
# ORT_DYLIB_PATH names an onnxruntime that has the device. Needs `ascan` on the path (or in $ASCAN) and Python with pyarrow and numpy.
set -eu
device=$1
config=$2
out=$3
ascan=${ASCAN:-ascan}
mkdir -p "$out"
for round in 1 2; do
    for method in grad_cam saliency; do
        for where in cpu "$device"; do
            scan="$out/$method-$where-$round"
            "$ascan" scan "$config" --out "$scan" --no-slice --json --device "$where" \
                --set model.backend=ort --set "attribution.plugin=$method" >"$scan.json"
            python3 - "$scan.json" "$method $where" <<'END'
import json, sys
said = json.load(open(sys.argv[1]))
print(f"{sys.argv[2]}: {said['images_per_second']:.1f} images a second, {said['peak_rss_mib']} MiB, {said['engine']}")
END
        done
    done
done
python3 - "$out" "$device" <<'END'
import glob, sys
import numpy as np, pyarrow as arrow, pyarrow.parquet as parquet

out, device = sys.argv[1:]

def column(scan, name):
    tables = [arrow.ipc.open_file(path).read_all() for path in sorted(glob.glob(f"{scan}/data/features-*.arrow"))]
    return np.array(arrow.concat_tables(tables).column(name).to_pylist(), dtype=np.float32)

def predictions(scan):
    return np.array(parquet.read_table(sorted(glob.glob(f"{scan}/data/samples-*.parquet"))).column("prediction"))

for method in ("grad_cam", "saliency"):
    cpu, other = (f"{out}/{method}-{where}-1" for where in ("cpu", device))
    differ = int((predictions(cpu) != predictions(other)).sum())
    maps, others = (column(scan, "attribution") for scan in (cpu, other))
    off = (np.abs(maps - others).max(1) / np.abs(maps).max(1)).max()
    print(f"{method}: {differ} of {len(maps)} predictions differ; maps by {off:.1e} of their maximum")
END
