"""Makes the Keras nets: NHWC input, TensorFlow's asymmetric padding, softmax at the end. Run after `make_goldens.py`, in an
environment of its own (`requirements-keras.txt`): README.md describes what it writes."""
import json
import os
from importlib.metadata import version
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", TF_USE_LEGACY_KERAS="0")
import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from keras import layers
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from safetensors.numpy import save_file

HERE = Path(__file__).parent
N_CLASSES, SIDE, N_STEPS = 5, 32, 16


def conv(x, filters, stride, name, depthwise=False):
    make = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False, name=name) if depthwise else layers.Conv2D(
        filters, 3 if stride > 1 else 1, stride, padding="same", use_bias=False, name=name
    )
    return layers.ReLU(6.0, name=f"{name}_relu")(layers.BatchNormalization(name=f"{name}_bn")(make(x)))


def mobilenet():
    """MobileNet v1 with strided `same` convolutions: even sizes make the padding asymmetric."""
    x = image = keras.Input((SIDE, SIDE, 3), name="image")
    for i, (filters, stride) in enumerate(((16, 1), (24, 2), (32, 2))):
        if i == 0:
            x = conv(x, 8, 2, "stem")
        x = conv(x, None, stride, f"dw{i}", depthwise=True)
        x = conv(x, filters, 1, f"pw{i}")
    features = x
    logits = layers.Dense(N_CLASSES, name="fc")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Softmax()(logits)), features, logits


def resnet():
    """Residual blocks as `keras.applications.ResNet` has them: explicit zero padding, biases, max and average pooling."""
    x = image = keras.Input((SIDE, SIDE, 3), name="image")
    x = layers.Conv2D(8, 7, 2, name="stem")(layers.ZeroPadding2D(3)(x))
    x = layers.Activation("relu")(layers.BatchNormalization(epsilon=1.001e-5, name="stem_bn")(x))
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    for i, (filters, stride) in enumerate(((8, 1), (16, 2))):
        shortcut = layers.Conv2D(filters, 1, stride, name=f"shortcut{i}")(x)
        y = layers.Conv2D(filters, 3, stride, padding="same", name=f"a{i}")(x)
        y = layers.Activation("swish")(layers.BatchNormalization(name=f"bn{i}")(y))
        y = layers.Conv2D(filters, 3, padding="same", name=f"b{i}")(y)
        x = layers.Activation("relu")(layers.Add()([y, shortcut]))
    x = layers.AveragePooling2D(2, 1, padding="same")(x)
    features = x
    logits = layers.Dense(N_CLASSES, name="fc")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Softmax()(logits)), features, logits


def randomise(model, rng):
    for layer in model.layers:
        values = []
        for variable in layer.weights:
            shape, name = variable.shape, variable.path.rsplit("/", 1)[-1]
            fan_in = np.prod(shape[:2]) if "depthwise" in layer.__class__.__name__.lower() else np.prod(shape[:-1])
            values.append(
                rng.uniform(0.5, 1.5, shape) if name in ("gamma", "moving_variance")
                else rng.normal(0, 0.2, shape) if name in ("beta", "moving_mean", "bias")
                else rng.normal(0, np.sqrt((1 if layer.name == "fc" else 2) / fan_in), shape)
            )  # fmt: skip
        layer.set_weights(values)


def nchw(x):
    return np.asarray(x).transpose(0, 3, 1, 2)


def make(family, build, seed):
    rng = np.random.default_rng(seed)
    model, features, logits = build()
    randomise(model, rng)
    images = tf.constant(rng.normal(size=(2, SIDE, SIDE, 3)).astype(np.float32))
    inner = keras.Model(model.input, [features, logits])
    order = np.argsort(-inner(images)[1].numpy(), 1)
    targets, labels = [int(order[0, 0]), int(order[1, 1])], [int(order[0, 1]), int(order[1, 0])]

    def target_gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            chosen = tf.reduce_sum(tf.gather(inner(x)[1], targets, axis=1, batch_dims=1))
        return tape.gradient(chosen, x)

    head = keras.Model(features, logits)
    a = inner(images)[0]
    with tf.GradientTape() as tape:
        tape.watch(a)
        chosen = tf.reduce_sum(tf.gather(head(a), targets, axis=1, batch_dims=1))
    g = nchw(tape.gradient(chosen, a))
    nodes, steps = np.polynomial.legendre.leggauss(N_STEPS)
    ig = sum(w / 2 * target_gradient(images * ((1 + t) / 2)).numpy().astype(np.float64) for t, w in zip(nodes, steps)) * images.numpy()
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, inner(images)[1]))
    chosen_weights = [w for w in model.trainable_weights if len(w.shape) > 1]
    chosen_weights = [chosen_weights[i] for i in (0, len(chosen_weights) // 2, -1)]
    gradients = [g.numpy() for g in tape.gradient(loss, chosen_weights)]
    tensors = dict(
        images=nchw(images), logits=inner(images)[1].numpy(), input_gradient=nchw(target_gradient(images)), ig_gauss_legendre=nchw(ig),
        feature_map=nchw(a), feature_gradient=g, grad_cam=np.maximum((g.mean((2, 3), keepdims=True) * nchw(a)).sum(1), 0),
    )  # fmt: skip

    signature = [tf.TensorSpec((None, SIDE, SIDE, 3), tf.float32, name="image")]
    proto, _ = tf2onnx.convert.from_keras(model, signature, opset=15)
    onnx.checker.check_model(proto)
    names = [o for n in proto.graph.node for o in n.output]
    probe = onnx.ModelProto.FromString(proto.SerializeToString())
    del probe.graph.output[:]
    probe.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names)
    values = dict(zip(names, ReferenceEvaluator(probe).run(names, {proto.graph.input[0].name: images.numpy()})))
    near = lambda x, y: x.shape == y.shape and np.allclose(x, y, rtol=1e-4, atol=1e-5)
    layer, layout = next(
        (n, name) for name, y in (("nchw", tensors["feature_map"]), ("nhwc", a.numpy())) for n, x in values.items() if near(x, y)
    )
    logits_name = next(n for n, x in values.items() if near(x, tensors["logits"]))
    # tf2onnx moves a kernel from [h, w, c_in, c_out] to [c_out, c_in, h, w] and folds batch norm into it
    weights = []
    initializers = {i.name: numpy_helper.to_array(i) for i in proto.graph.initializer}
    for variable, gradient in zip(chosen_weights, gradients):
        w = variable.numpy()
        if w.ndim == 4:
            axes = (2, 3, 0, 1) if "depthwise" in variable.path else (3, 2, 0, 1)
            w, gradient = w.transpose(axes), gradient.transpose(axes)
        for name, value in initializers.items():
            if value.shape != w.shape:
                continue
            scale = 1.0 if w.ndim == 2 else (value * w).sum((1, 2, 3), keepdims=True) / (w**2).sum((1, 2, 3), keepdims=True)
            if np.allclose(scale * w, value, rtol=1e-4, atol=1e-6):
                key = f"gradient/keras/{len(weights)}"
                tensors[key] = gradient / scale
                weights.append(dict(name=name, parameter=variable.path, gradient=key))
                break
    onnx.save(proto, HERE / f"{family}.keras.onnx")
    save_file({k: np.ascontiguousarray(v, np.float32) for k, v in tensors.items()}, HERE / f"{family}.safetensors")
    (HERE / f"{family}.safetensors").chmod(0o644)
    print(family, tensors["logits"].round(2).tolist(), layer, layout, logits_name, proto.graph.output[0].name, [w["name"] for w in weights],
          sorted({n.op_type for n in proto.graph.node}), tensors["grad_cam"][0].round(3).tolist())  # fmt: skip
    export = dict(
        exporter="keras", file=f"{family}.keras.onnx", opset=15, input=proto.graph.input[0].name, input_layout="nhwc", logits=logits_name,
        output=proto.graph.output[0].name, layer=layer, layer_layout=layout, prefix_tokens=0, weights=weights,
    )  # fmt: skip
    return dict(
        family=family, golden=f"{family}.safetensors", input_shape=[3, SIDE, SIDE], n_classes=N_CLASSES, seed=seed, target_classes=targets,
        labels=labels, ig_steps=N_STEPS, float32_deviation={}, exports=[export], training=[],
    )  # fmt: skip


path = HERE / "index.json"
index = json.loads(path.read_text())
index["versions"] |= {p: version(p) for p in ("tensorflow-cpu", "keras", "tf2onnx")}
entries = [make("keras_mobilenet", mobilenet, 1), make("keras_resnet", resnet, 2)]
index["families"] = [e for e in index["families"] if not e["family"].startswith("keras")] + entries
path.write_text(json.dumps(index, indent=1) + "\n")
