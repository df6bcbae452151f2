"""Makes the golden nets and their reference numbers; README.md describes what it writes."""
import copy
import io
import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from captum.attr import IntegratedGradients, LayerGradCam
from onnx import numpy_helper
from safetensors.numpy import save_file
from torch import nn
from torch.nn import functional as F

import nets

HERE = Path(__file__).parent
N_IMAGES, N_TRAIN, N_STEPS = 2, 6, 16
OPTIMIZERS = {
    "sgd": dict(learning_rate=0.1, weight_decay=1e-4, momentum=0.9),
    "adamw": dict(learning_rate=1e-3, weight_decay=1e-2, beta_1=0.9, beta_2=0.999, epsilon=1e-4),  # 1e-8 makes a step of every rounding error
}
TRAINED = ("resnet", "mobilenet_v2")
TRAPEZOID = ("resnet", "mobilenet_v2", "vit")  # one quadrature for all nets: a few are enough
OPSET = {"vit": 17, "deit": 17}  # of the TorchScript exporter; attention needs 14


def module(model, path):
    return dict(model.named_modules())[path]


def as_nchw(feature, layout, prefix):
    """A feature map in the golden's own layout."""
    if layout == "nhwc":
        return feature.transpose(0, 3, 1, 2)
    if layout == "tokens":
        n, t, c = feature.shape
        side = int((t - prefix) ** 0.5)
        return feature[:, prefix:].reshape(n, side, side, c).transpose(0, 3, 1, 2)
    return feature


def feature_layout(family, shape):
    """How the net itself lays its feature map out."""
    if len(shape) == 3:
        return "tokens", 2 if family == "deit" else 1
    return ("nhwc" if family == "swin" else "nchw"), 0


def reference(family, model, feature, images, targets, labels):
    """The golden tensors, in the precision of `model`, and the gradient of the loss for every parameter."""
    out, kept = {}, {}
    layer = module(model, feature)
    hook = layer.register_forward_hook(lambda _m, _i, o: kept.update(feature=o))
    x = images.clone().requires_grad_()
    logits = model(x)
    chosen = logits.gather(1, targets[:, None]).sum()
    input_gradient, feature_gradient = torch.autograd.grad(chosen, (x, kept["feature"]))
    hook.remove()
    layout, prefix = feature_layout(family, kept["feature"].shape)
    a = as_nchw(kept["feature"].detach().numpy(), layout, prefix)
    g = as_nchw(feature_gradient.numpy(), layout, prefix)
    cam = np.maximum((g.mean((2, 3), keepdims=True) * a).sum(1), 0)
    if layout == "nchw":  # our four lines against captum's
        captum_cam = LayerGradCam(model, layer).attribute(images, targets, relu_attributions=True).detach().numpy()[:, 0]
        assert np.allclose(cam, captum_cam, rtol=1e-4, atol=1e-5 * np.abs(cam).max())
    out.update(logits=logits.detach().numpy(), input_gradient=input_gradient.numpy(), feature_map=a, feature_gradient=g, grad_cam=cam)
    ig = IntegratedGradients(model)
    for name, method in (("gauss_legendre", "gausslegendre"), ("trapezoid", "riemann_trapezoid")):
        out[f"ig_{name}"] = ig.attribute(images, target=targets, n_steps=N_STEPS, method=method).detach().numpy()
    loss = F.cross_entropy(model(images), labels)
    names, parameters = zip(*model.named_parameters())
    gradients = torch.autograd.grad(loss, parameters)
    return out, {k: v.numpy() for k, v in zip(names, gradients)}


def train(model, images, labels, optimizer, batch_norm):
    """Losses at the start of each step, and every parameter and running statistic after two steps."""
    model = copy.deepcopy(model).eval()
    for m in model.modules():
        if batch_norm == "batch" and isinstance(m, nn.BatchNorm2d):
            m.train()
    o = OPTIMIZERS[optimizer]
    if optimizer == "sgd":
        step = torch.optim.SGD(model.parameters(), o["learning_rate"], momentum=o["momentum"], weight_decay=o["weight_decay"])
    else:
        step = torch.optim.AdamW(
            model.parameters(), o["learning_rate"], (o["beta_1"], o["beta_2"]), eps=o["epsilon"], weight_decay=o["weight_decay"]
        )
    losses = []
    for _ in range(2):
        step.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        step.step()
        losses.append(loss.item())
    return losses, {k: v.numpy() for k, v in model.state_dict().items()}


def export(family, model, exporter, images):
    """The net as an ONNX model with a dynamic batch."""
    file = io.BytesIO()
    names = dict(input_names=["image"], output_names=["logits"])
    if exporter == "dynamo":
        batch = torch.export.Dim("batch")
        program = torch.onnx.export(model, (images,), dynamo=True, dynamic_shapes=({0: batch},), verbose=False, **names)
        return program.model_proto
    keep = exporter == "torchscript_bn"
    torch.onnx.export(
        model, (images,), file, dynamo=False, opset_version=OPSET.get(family, 13), dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
        do_constant_folding=not keep, training=torch.onnx.TrainingMode.PRESERVE if keep else torch.onnx.TrainingMode.EVAL, **names,
    )  # fmt: skip
    return onnx.load_from_string(file.getvalue())


def drop_traces(proto):
    """Drops the stack traces, which name the paths of this machine, and keeps what else PyTorch notes about each node."""
    for node in proto.graph.node:
        kept = [p for p in node.metadata_props if not p.key.endswith("stack_trace")]
        node.ClearField("metadata_props")
        node.metadata_props.extend(kept)


def strip(proto):
    """Drops what PyTorch notes about each node: more bytes than the weights."""
    for item in [*proto.graph.node, *proto.graph.value_info, *proto.graph.initializer, *proto.graph.input, *proto.graph.output, proto.graph, proto]:
        item.ClearField("metadata_props")
        item.ClearField("doc_string")


def intermediates(proto, images):
    """Every floating-point tensor of the graph, by onnxruntime without optimisation."""
    proto = copy.deepcopy(proto)
    names = [o for n in proto.graph.node for o in n.output if o]
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    values = session.run(names, {proto.graph.input[0].name: images})
    return {n: v for n, v in zip(names, values) if getattr(v, "dtype", None) == np.float32}


def find_layer(values, feature, family):
    """Name and layout of the first tensor that holds the feature map."""
    own = feature_layout(family, feature.shape)
    layouts = [own] + ([("nhwc", 0), ("nchw", 0)] if feature.ndim == 4 else [])
    expected = as_nchw(feature, *own)
    for layout, prefix in layouts:
        for name, value in values.items():
            if sorted(value.shape) == sorted(feature.shape) and as_nchw(value, layout, prefix).shape == expected.shape:
                if np.allclose(as_nchw(value, layout, prefix), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max()):
                    return name, layout, prefix
    raise SystemExit(f"{family}: no tensor of the graph holds the feature map")


def constants(proto):
    """Floating-point initializers by name."""
    values = {i.name: numpy_helper.to_array(i) for i in proto.graph.initializer}
    return {k: v for k, v in values.items() if v.dtype == np.float32}


def match(parameter, initializers):
    """The initializer that holds `parameter`, and what brings its gradient to the initializer's; None without one.

    An exporter may transpose a weight or fold batch norm into it: w' = s·w by output channel, so ∂L/∂w' = ∂L/∂w / s.
    """
    same = lambda a, b: np.allclose(a, b, rtol=1e-4, atol=1e-6 * np.abs(b).max())
    for name, value in initializers.items():
        if value.shape == parameter.shape and same(value, parameter):
            return name, lambda g: g
    for name, value in initializers.items():
        if value.ndim == 2 and value.T.shape == parameter.shape and same(value.T, parameter):
            return name, lambda g: np.ascontiguousarray(g.T)
    if parameter.ndim == 4:
        for name, value in initializers.items():
            if value.shape == parameter.shape:
                axes = (1, 2, 3)
                scale = (value * parameter).sum(axes, keepdims=True) / (parameter**2).sum(axes, keepdims=True)
                if same(scale * parameter, value):
                    return name, lambda g, scale=scale: g / scale
    return None


def spread(names):
    """First, middle and last."""
    return list(dict.fromkeys(names[i] for i in (0, len(names) // 2, -1))) if names else []


def deviation(a, b):
    return float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30))


def session_output(proto, images):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"image": images})[0]


def make(family, seed):
    model, side, feature = nets.build(family, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    images = torch.randn(N_IMAGES, 3, side, side, generator=generator)
    with torch.no_grad():
        order = model(images).argsort(1, descending=True)
    targets = torch.stack([order[0, 0], order[1, 1]])  # the predicted class, and the second
    labels = torch.stack([order[0, 1], order[1, 0]])
    double = copy.deepcopy(model).double()
    golden, gradients = reference(family, double, feature, images.double(), targets, labels)
    single, single_gradients = reference(family, model, feature, images, targets, labels)
    deviations = {k: deviation(single[k], v) for k, v in golden.items()}
    deviations["gradient"] = max(deviation(single_gradients[k], v) for k, v in gradients.items())
    if max(deviations.values()) > 3e-5:
        # rounding alone turns a ReLU or a pooling window somewhere on the path: no reference for anyone
        print(f"  seed {seed} is ill-conditioned: {max(deviations, key=deviations.get)} {max(deviations.values()):.0e}")
        return make(family, seed + 1)
    tensors = dict(images=images.numpy(), **golden)
    if family not in TRAPEZOID:
        del tensors["ig_trapezoid"]

    kept = {}
    with torch.no_grad():
        hook = module(model, feature).register_forward_hook(lambda _m, _i, o: kept.update(feature=o.numpy()))
        model(images)
        hook.remove()
    parameters = {k: v.detach().numpy() for k, v in model.named_parameters()}
    exports = []
    for exporter in ("torchscript", "dynamo") + (("torchscript_bn",) if family in TRAINED else ()):
        proto = export(family, model, exporter, images)
        if family == "resnet":
            drop_traces(proto)
        else:
            strip(proto)
        onnx.checker.check_model(proto)
        for n in (1, 2):
            error = np.abs(session_output(proto, images.numpy()[:n]) - golden["logits"][:n]).max()
            assert error < 1e-4, (family, exporter, error)
        layer, layout, prefix = find_layer(intermediates(proto, images.numpy()), kept["feature"], family)
        found = {k: match(v, constants(proto)) for k, v in parameters.items()}
        weights = []
        for name in spread([k for k in found if found[k] and parameters[k].ndim > 1]) + spread(
            [k for k in found if found[k] and parameters[k].ndim == 1 and "bias" not in k]
        ):
            initializer, convert = found[name]
            key = f"gradient/{exporter}/{len(weights)}"
            tensors[key] = convert(gradients[name])
            weights.append(dict(name=initializer, parameter=name, gradient=key))
        file = f"{family}.{exporter}.onnx"
        onnx.save(proto, HERE / file)
        exports.append(
            dict(
                exporter=exporter, file=file, opset=next(o.version for o in proto.opset_import if o.domain == ""), input="image",
                input_layout="nchw", logits="logits", output="logits", layer=layer, layer_layout=layout, prefix_tokens=prefix, weights=weights,
            )
        )  # fmt: skip
        print(f"  {exporter}: opset {exports[-1]['opset']}, {(HERE / file).stat().st_size // 1024} KiB, layer {layer} ({layout}),"
              f" weights {[w['name'] for w in weights]}, ops {sorted({n.op_type for n in proto.graph.node})}")  # fmt: skip

    entry = dict(
        family=family, golden=f"{family}.safetensors", input_shape=[3, side, side], n_classes=nets.N_CLASSES, seed=seed,
        target_classes=targets.tolist(), labels=labels.tolist(), ig_steps=N_STEPS, float32_deviation=deviations, exports=exports, training=[],
    )  # fmt: skip
    if family in TRAINED:
        batch = torch.randn(N_TRAIN, 3, side, side, generator=generator)
        train_labels = torch.randint(nets.N_CLASSES, (N_TRAIN,), generator=generator)
        tensors["train_images"] = batch.numpy()
        entry["train_labels"] = train_labels.tolist()
        names = list(constants(proto))  # of torchscript_bn
        norms = [k.removesuffix(".running_mean") for k in names if k.endswith("running_mean")]
        before = {k: v.numpy() for k, v in model.state_dict().items()}
        for optimizer in OPTIMIZERS:
            for mode in ("frozen", "batch"):
                losses, values = train(double, batch.double(), train_labels, optimizer, mode)
                _, single_values = train(model, batch, train_labels, optimizer, mode)
                weights = []
                chosen = spread([k for k in names if parameters.get(k, np.zeros(1)).ndim > 1]) + [
                    f"{norm}.{what}" for norm in spread(norms) for what in ("weight", "bias", "running_mean", "running_var")
                ]  # fmt: skip
                for name in chosen:
                    key = f"train/{optimizer}/{mode}/{len(weights)}"
                    tensors[key] = values[name]
                    weights.append(dict(name=name, value=key))
                moved = [k for k in chosen if np.abs(values[k] - before[k]).max() > 0]
                worst = max(deviation(single_values[k] - before[k], values[k] - before[k]) for k in moved)
                deviations[f"train/{optimizer}/{mode}"] = worst
                entry["training"].append(
                    dict(exporter="torchscript_bn", optimizer=optimizer, batch_norm=mode, **OPTIMIZERS[optimizer],
                         n_steps=2, losses=losses, weights=weights)
                )  # fmt: skip
    save_file({k: np.ascontiguousarray(v, np.float32) for k, v in tensors.items()}, HERE / entry["golden"])
    (HERE / entry["golden"]).chmod(0o644)
    print("  logits", golden["logits"].round(2).tolist(), "cam", golden["grad_cam"].round(3).tolist()[0])
    print("  deviations", {k: f"{v:.1e}" for k, v in deviations.items()})
    return entry


def main():
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    path = HERE / "index.json"
    index = json.loads(path.read_text()) if path.exists() else {"families": []}
    packages = ("torch", "torchvision", "captum", "onnx", "onnxruntime", "onnxscript", "safetensors", "numpy")
    index["versions"] = index.get("versions", {}) | {p: version(p) for p in packages}
    entries = {e["family"]: e for e in index["families"]}
    for family in sys.argv[1:] or list(nets.FAMILIES):
        print(family)
        entries[family] = make(family, seed=sum(map(ord, family)))
        rank = {name: i for i, name in enumerate(nets.FAMILIES)}
        index["families"] = sorted(entries.values(), key=lambda e: (rank.get(e["family"], len(rank)), e["family"]))
        path.write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
