#!/bin/sh
# Repair where the truth is known exactly: sh benches/planted.sh DATA OUT [CUE]
#
# A mark (watermark, border or colour_cast) is planted on 95 % of one class of CIFAR-10's test images and on 5 % of each other
# class; a ResNet-20 learns it; then every regularizer repairs that net from the images it was trained on. In the test split
# every other image of each class has the mark. DATA holds cifar10_jpeg and models; the same command goes on where it was
# stopped. Needs `ascan` on the path, or in $ASCAN.
set -eu
data=$1 out=$2 cue=${3:-watermark}
ascan=${ASCAN:-ascan}
mkdir -p "$out"
ln -sfn "$(cd "$data" && pwd)" "$out/data"
cd "$out"
classes='["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]'

cat > source.toml <<END
[data]
manifest = "data/cifar10_jpeg/test_labels.csv"
archive = "data/cifar10_jpeg/test.tar"
columns = { path = "file", label = "name" }
classes = $classes

[model]
path = "data/models/resnet20_cifar10.onnx"
preprocess = { preset = "imagenet" }
END
[ -e planted/metadata.csv ] || "$ascan" bench plant source.toml --cue "$cue" --class ship --out planted

cat > planted.toml <<END
[data]
manifest = "planted/metadata.csv"
root = "planted"
split = "train"
columns = { path = "filename", label = "label", split = "split", group = ["label", "planted"], mask = "mask" }
classes = $classes

[model]
path = "data/models/resnet20_cifar10.onnx"
preprocess = { preset = "imagenet" }

[slicing]
plugin = "kmeans"
per_class = "label"
params = { n_slices = 4, normalise = "l2" }
END
# The net learns the mark: plain training of all its weights.
"$ascan" scan planted.toml --out unmarked --no-slice
"$ascan" repair unmarked planted.toml --out biased --plugin erm --set repair.layers=all --set repair.epochs=8 \
    --set repair.learning_rate=0.002 --set repair.weight_decay=0.0005 --set repair.balance=none --set repair.metric=accuracy \
    --set repair.check=false --set repair.evidence=false --set repair.groups=spuriousness
biased="--set model.path=biased/model.onnx"
"$ascan" scan planted.toml --out train $biased
"$ascan" scan planted.toml --out held-out $biased --set data.split=val
"$ascan" scan planted.toml --out test $biased --set data.split=test

# The program's own proposals, accepted unseen.
if [ ! -e train/spread ]; then
    "$ascan" suggest train --accept
    "$ascan" spread train --accept
fi
"$ascan" bench regularizers train planted.toml test --out block-a \
    --only afr,corm,dfr,erm,group_dro,jtt,p_clarc,rr_clarc,self,verdict_dfr
