#!/bin/sh
# Every regularizer on Waterbirds, from the scan to the tables: sh benches/regularizers.sh DATA OUT
#
# DATA holds waterbirds_lite and models; OUT gets scans, repairs and tables, and the same command goes on where it was
# stopped. Needs `ascan` on the path (or in $ASCAN) and onnxruntime: slices are numbered as that engine's features say.
#
# The verdicts are those of a person who has seen OUT/mosaic.png and a dozen images of each of the twelve slices: `core`
# where the bird is what is in colour, with or without some ground around it, `spurious` where the bird itself stays grey.
# No group label was looked at; the note says what is seen.
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
    mark 6 core "brown wrens in colour, the wood behind them grey"
    mark 13 core "the red of the birds in colour, trees grey"
    mark 8 core "yellow birds in colour, grass grey"
    mark 1 core "yellow birds in colour, hand and wood grey"
    mark 16 core "white gulls, lit; some sky beside their heads"
    mark 17 core "heads of grebes and ducks in colour"
    mark 18 core "wings and bodies of large birds lit"
    mark 21 core "bills and backs of pelicans in colour"
    mark 22 core "white terns lit, with some sky around them"
    mark 23 core "white gulls and terns lit, the shore grey"
    mark 25 core "grebes in colour, with the water beside their heads"
    mark 24 spurious "birds grey; sky, sea and piers in colour"
    "$ascan" spread train --accept
fi
# Verdicts are taken as they are, so that the methods differ in nothing but themselves.
plain() {
    "$ascan" bench regularizers train regularizers.toml test "$@" --set repair.evidence=false --set repair.groups=slices \
        --set repair.metric=worst_class_accuracy --set repair.check=false --for corm:repair.params.clean_weight=0
}
# The head: three seeds. The penalty of rrr needs the whole net at each step, so it has one epoch.
plain --out head --for rrr:repair.epochs=1
# The whole net: one seed.
plain --out whole --seeds 1 --set repair.layers=all \
    --set repair.epochs=1 --set repair.learning_rate=2e-4 --set repair.weight_decay=0

# What the product does by itself: all defaults, training images and verdicts only. No split chooses the epoch.
grep -v validation_split regularizers.toml > alone.toml
alone() { "$ascan" bench regularizers "$1" "$2" test --only corm --out "$3" --seeds "$4"; }
alone train alone.toml alone-informed 3
"$ascan" scan alone.toml --out bare
alone bare alone.toml alone-none 1
# The other methods with the same verdicts, and what the true groups of the same images reach.
"$ascan" bench regularizers train alone.toml test --only afr,dfr,erm,group_dro,self,slim_subset,verdict_dfr --out alone-others
"$ascan" bench regularizers train alone.toml test --only corm,dfr,group_dro --out alone-ceiling --set repair.groups=annotated
# Verdicts of somebody who did not know the data, on all images of the training split, as they were given.
sed 's#"core.csv"#"data/waterbirds_lite/metadata.csv"#' alone.toml > all.toml
judged() { # SCAN FILE: the verdicts of a file, given to the images of each of its slices
    [ ! -e "$1/spread" ] || return 0
    for slice in $(tail -n +2 "$2" | cut -d, -f2 | sort -un); do
        awk -F, -v s="$slice" '$2 == s { print "images/" $1 }' "$2" > rows.txt
        "$ascan" mark "$1" --images rows.txt "$(awk -F, -v s="$slice" '$2 == s { print $3; exit }' "$2")" --author newcomer
    done
    "$ascan" spread "$1" --accept
}
"$ascan" scan all.toml --out all
judged all "$here/verdicts/new_user.csv"
alone all all.toml alone-newcomer 3
"$ascan" bench regularizers all all.toml test --only corm --out alone-as-they-are --seeds 1 --set repair.evidence=false \
    --set repair.groups=slices --set repair.metric=worst_class_accuracy --set repair.params.clean_weight=0

# Verdicts of three reviewers who saw nothing but pictures of the window, without groups and without the model's answers.
# And of three who went the whole way in the window, knowing nothing of data or program.
for who in blind_a blind_b blind_c window_1 window_2 window_3; do
    "$ascan" scan alone.toml --out "$who"
    judged "$who" "$here/verdicts/$who.csv"
    alone "$who" alone.toml "alone-$who" 3
done

# The program's own proposals, accepted unseen.
"$ascan" scan alone.toml --out suggested
if [ ! -e suggested/spread ]; then
    "$ascan" suggest suggested --accept
    "$ascan" spread suggested --accept
fi
alone suggested alone.toml alone-suggested 3
# With a held-out split whose places are balanced inside each class: beside the training images, alone, and with true groups.
"$ascan" scan alone.toml --out held-out --set data.split=1
"$ascan" bench regularizers bare alone.toml test --also held-out --only corm --out block-c
"$ascan" bench regularizers held-out alone.toml test --only afr,dfr,erm,self --out block-c-alone
"$ascan" bench regularizers held-out alone.toml test --only dfr --out block-d --set repair.groups=annotated
# How well reliance tells slices that follow the place.
reliance() { python3 "$here/reliance.py" "$ascan" "$1" place 0=landbird 1=waterbird; }
for n in 8 14 24; do
    "$ascan" slice held-out --plugin kmeans --per-class label --set slicing.params.n_slices=$n
    reliance held-out
done
"$ascan" slice held-out --plugin domino
reliance held-out
reliance test
