#!/bin/sh
# Every attribution method judged on Waterbirds, with the birds' masks, and on Imagenette: sh benches/faithfulness.sh DATA OUT
#
# DATA holds waterbirds_lite, imagenette160 and models; OUT gets the scans and the tables. N is the number of images (12).
# Needs `ascan` on the path (or in $ASCAN).
set -eu
data=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
ascan=${ASCAN:-ascan}
mkdir -p "$2"
cd "$2"
ln -sfn "$data" data
cp "$here/waterbirds.toml" "$here/imagenette160.toml" .
few="--limit 400 --no-slice"
"$ascan" scan waterbirds.toml --out waterbirds $few --set data.split=2 --set data.columns.mask=mask --set 'data.classes=["landbird", "waterbird"]'
"$ascan" scan imagenette160.toml --out imagenette160 $few --set data.split=val
for scan in waterbirds imagenette160; do
    "$ascan" faithfulness $scan --images "${N:-12}" | tee $scan.txt
done
