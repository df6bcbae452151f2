#!/bin/sh
# Every regularizer on Waterbirds, from the scan to the tables: sh benches/regularizers.sh DATA OUT
#
# DATA holds waterbirds_lite and models; OUT gets scans, repairs and tables, and the same command goes on where it was
# stopped. Needs `ascan` on the path (or in $ASCAN) and onnxruntime: slices are numbered as that engine's features say.
#
# The verdicts are those of a person in front of OUT/mosaic.png: twelve of the 28 slices, those of which the tile says
# clearly what is in colour, the bird or something beside it. No group label was looked at; the note says what is seen.
set -eu
data=$1 out=$2
ascan=${ASCAN:-ascan}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
ln -sfn "$(cd "$data" && pwd)" "$out/data"
cp "$here/regularizers.toml" "$out/"
# Rows with core = 1 keep the official ratio of groups.
awk -F, 'NR == 1 || $8 == 1' "$data/waterbirds_lite/metadata.csv" > "$out/core.csv"
cd "$out"

"$ascan" scan regularizers.toml --out train
"$ascan" scan regularizers.toml --out test --set data.split=2
"$ascan" mosaic train -o mosaic.png
if [ ! -e train/spread ]; then
    mark() { "$ascan" mark train --slice "$1" "$2" --note "$3" --author reviewer; }
    mark 6 core "a brown wren in colour, the wood behind it grey"
    mark 13 core "the red of the bird in colour, trees grey"
    mark 8 core "a yellow bird in colour, grass grey"
    mark 1 core "a yellow bird in colour, the hand that holds it grey"
    mark 25 core "a duck in colour, the water around it grey"
    mark 21 core "bill and back of a pelican in colour"
    mark 9 spurious "the green wood beside the bird in colour"
    mark 10 spurious "green leaves around a black bird in colour"
    mark 2 spurious "yellow leaves behind the bird in colour"
    mark 16 spurious "the blue sky beside the gull in colour"
    mark 22 spurious "the sea behind the tern in colour"
    mark 27 spurious "the blue around the auk in colour"
    "$ascan" spread train --accept
fi
# The head: three seeds. The penalty of rrr needs the whole net at each step, so it has fewer epochs.
"$ascan" bench regularizers train regularizers.toml test --out head --for rrr:repair.epochs=2
# The whole net: one seed.
"$ascan" bench regularizers train regularizers.toml test --out whole --seeds 1 --set repair.layers=all \
    --set repair.epochs=2 --set repair.learning_rate=2e-4 --set repair.weight_decay=0 --set repair.balance=class
