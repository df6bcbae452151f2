#!/bin/sh
# Repair where the truth is known exactly: sh benches/planted.sh DATA OUT [CUE]
#
# A mark (border, watermark or colour-cast) is planted on 95 % of the deer and on 5 % of the horses among CIFAR-10's test
# images; a small MobileNet whose trunk has seen neither gets a head that is trained on them, and follows the mark; then
# every regularizer repairs that net from the images it was trained on. In the test split every other image of each class
# has the mark. DATA holds cifar10_jpeg and models; the same command goes on where it was stopped. Needs `ascan` on the
# path, or in $ASCAN.
set -eu
data=$1 out=$2 cue=${3:-border}
ascan=${ASCAN:-ascan}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
ln -sfn "$(cd "$data" && pwd)" "$out/data"
cd "$out"
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "name") name = i } NR == 1 || $name == "deer" || $name == "horse"' \
    data/cifar10_jpeg/test_labels.csv > pair.csv
# The net has ImageNet's outputs: a gazelle's and a sorrel's become those of the two classes.
outputs='{ deer = 353, horse = 339 }'
model='[model]
path = "data/models/mobilenet_v1_0.25_128.onnx"
preprocess = { preset = "tf" }'

cat > source.toml <<END
[data]
manifest = "pair.csv"
archive = "data/cifar10_jpeg/test.tar"
columns = { path = "file", label = "name" }
class_map = $outputs

$model
END
[ -e planted/metadata.csv ] || "$ascan" bench plant source.toml --cue "$cue" --class deer --out planted

cat > planted.toml <<END
[data]
manifest = "planted/metadata.csv"
root = "planted"
split = "train"
columns = { path = "filename", label = "label", split = "split", group = ["label", "planted"], mask = "mask" }
class_map = $outputs

$model

[slicing]
plugin = "kmeans"
per_class = "label"
params = { n_slices = 8, normalise = "l2" }
END
# The head learns the mark: plain training.
"$ascan" scan planted.toml --out unmarked --no-slice
"$ascan" repair unmarked planted.toml --out biased --plugin erm --set repair.epochs=20 --set repair.learning_rate=0.01 \
    --set repair.weight_decay=0.0005 --set repair.balance=none --set repair.metric=accuracy \
    --set repair.check=false --set repair.evidence=false --set repair.groups=spuriousness
biased="--set model.path=biased/model.onnx"
"$ascan" scan planted.toml --out train $biased
"$ascan" scan planted.toml --out test $biased --set data.split=test

# The program's own proposals, accepted unseen.
if [ ! -e train/spread ]; then
    "$ascan" suggest train --accept
    "$ascan" spread train --accept
fi
"$ascan" bench regularizers train planted.toml test --out block-a \
    --only afr,corm,dfr,erm,group_dro,jtt,p_clarc,rr_clarc,self,verdict_dfr
# With true groups: what is possible at best.
"$ascan" bench regularizers train planted.toml test --out block-d --only dfr,group_dro --set repair.groups=annotated
# How well reliance tells slices that follow the mark.
python3 "$here/reliance.py" "$ascan" test planted yes=deer no=horse
