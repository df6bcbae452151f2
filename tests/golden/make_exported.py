"""Small classifiers in the forms in which exporters and quantisers write them, with onnxruntime's answers.

Writes `exported/*.onnx` and `exported/index.json`. Made with numpy 2.4.6, onnx 1.23.2, onnxruntime 1.32.0; weights are
drawn with a fixed seed, so the files are the same every time.
"""

import json
import pathlib

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

FOLDER = pathlib.Path(__file__).parent / "exported"
SIDE, CLASSES, IMAGES = 16, 4, 3


def images():
    """[n, 3, side, side] of whole numbers 0..255, by a formula that the tests repeat."""
    i = np.arange(IMAGES * 3 * SIDE * SIDE, dtype=np.int64)
    return ((i * 37 + (i // 11) * 5) % 256).astype(np.float32).reshape(IMAGES, 3, SIDE, SIDE)


class Net:
    """Two convolutions, mean, linear layer `scores`; the input is pixels / 255."""

    def __init__(self, classes=CLASSES, opset=13):
        self.rng = np.random.default_rng(7)
        self.nodes, self.constants, self.outputs, self.opset = [], [], [], opset
        self.inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])]
        self.imports = [helper.make_opsetid("", opset)]
        self.classes = classes

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def weight(self, name, *shape):
        scale = np.sqrt(2 / np.prod(shape[1:]))
        return self.constant(name, (self.rng.standard_normal(shape) * scale).astype(np.float32))

    def trunk(self, x="image"):
        x = self.node("Conv", [x, self.weight("w1", 6, 3, 3, 3)], "conv1", pads=[1, 1, 1, 1])
        x = self.node("Relu", [x], "relu1")
        x = self.node("Conv", [x, self.weight("w2", 8, 6, 3, 3)], "conv2", pads=[1, 1, 1, 1], strides=[2, 2])
        return self.node("Relu", [x], "map")

    def head(self, x="map"):
        x = self.node("GlobalAveragePool", [x], "pool")
        x = self.node("Flatten", [x], "flat")
        w, b = self.weight("w3", 8, 8), self.constant("b3", np.full(8, 0.1, np.float32))
        x = self.node("Relu", [self.node("Gemm", [x, w, b], "hidden", transB=1)], "relu3")
        w = self.weight("w4", self.classes, 8)
        b = self.constant("b4", np.linspace(-0.2, 0.2, self.classes).astype(np.float32))
        return self.node("Gemm", [x, w, b], "scores", transB=1)

    def output(self, name, shape, kind=TensorProto.FLOAT):
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def save(self, name):
        graph = helper.make_graph(self.nodes, name, self.inputs, self.outputs, self.constants)
        model = helper.make_model(graph, opset_imports=self.imports, ir_version=8, producer_name="make_exported")
        onnx.save(model, FOLDER / f"{name}.onnx")
        return FOLDER / f"{name}.onnx"


def plain():
    net = Net()
    net.trunk()
    net.head()
    net.output("scores", ["n", CLASSES])
    return net


def mixer():
    """Tokens of a convolution, attention of one head, layer normalisation of sums and GELU: what EXTENDED fuses."""
    net = Net(opset=17)
    ones, zeros = net.constant("ones", np.ones(8, np.float32)), net.constant("zeros", np.zeros(8, np.float32))
    x = net.node("Conv", ["image", net.weight("patches", 8, 3, 4, 4), zeros], "grid", strides=[4, 4])
    x = net.node("Reshape", [x, net.constant("tokens", np.array([0, 8, 16]))], "columns")
    x = net.node("Transpose", [x], "sequence", perm=[0, 2, 1])
    q, k, v = [net.node("MatMul", [x, net.weight(f"w_{part}", 8, 8)], part) for part in "qkv"]
    k = net.node("Transpose", [k], "turned", perm=[0, 2, 1])
    scores = net.node("Mul", [net.node("MatMul", [q, k], "products"), net.constant("factor", np.float32(0.4))], "scaled")
    x2 = net.node("MatMul", [net.node("Softmax", [scores], "weights", axis=-1), v], "taken")
    x = net.node("Add", [x, x2], "first_sum")
    x = net.node("LayerNormalization", [x, ones, zeros], "norm1", axis=-1, epsilon=1e-5)
    bias = net.constant("b_mlp", np.linspace(-0.3, 0.3, 8).astype(np.float32))
    y = net.node("Add", [net.node("MatMul", [x, net.weight("w_mlp", 8, 8)], "mlp"), bias], "biased")
    # GELU as PyTorch writes it.
    erf = net.node("Erf", [net.node("Div", [y, net.constant("root", np.float32(np.sqrt(2)))], "by_root")], "erf")
    gate = net.node("Add", [erf, net.constant("one", np.float32(1))], "gate")
    y = net.node("Mul", [net.node("Mul", [y, gate], "twice"), net.constant("half", np.float32(0.5))], "gelu")
    y = net.node("MatMul", [y, net.weight("w_out", 8, 8)], "mlp_out")
    x = net.node("LayerNormalization", [net.node("Add", [x, y], "second_sum"), ones, zeros], "norm2", axis=-1, epsilon=1e-5)
    x = net.node("ReduceMean", [x], "mean", axes=[1], keepdims=0)
    w = net.weight("w4", CLASSES, 8)
    net.node("Gemm", [x, w, net.constant("b4", np.zeros(CLASSES, np.float32))], "scores", transB=1)
    net.output("scores", ["n", CLASSES])
    return net


def branched():
    """A sum, a product, a join and poolings: what is quantised by operators of onnxruntime's own."""
    net = Net()
    x = net.trunk()
    a = net.node("Conv", [x, net.weight("wa", 8, 8, 1, 1)], "a")
    b = net.node("Sigmoid", [net.node("Conv", [x, net.weight("wb", 8, 8, 1, 1)], "b")], "gate")
    x = net.node("Mul", [net.node("Add", [x, a], "sum"), b], "product")
    c = net.node("LeakyRelu", [net.node("Conv", [x, net.weight("wc", 8, 8, 1, 1)], "c")], "leaky", alpha=0.1)
    x = net.node("AveragePool", [net.node("Concat", [x, c], "joined", axis=1)], "small", kernel_shape=[2, 2], strides=[2, 2])
    x = net.node("Flatten", [net.node("GlobalAveragePool", [x], "pool")], "flat")
    w = net.weight("w4", CLASSES, 16)
    net.node("Gemm", [x, w, net.constant("b4", np.linspace(-0.2, 0.2, CLASSES).astype(np.float32))], "scores", transB=1)
    net.output("scores", ["n", CLASSES])
    return net


def run(path, feed=None, output=0):
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: images() / 255 if feed is None else feed})
    return found[output]


class Calibration(CalibrationDataReader):
    def __init__(self):
        self.left = iter([{"image": images() / 255}])

    def get_next(self):
        return next(self.left, None)


def half(path):
    """All constants, the input and the output as float16."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    onnx.save(model, FOLDER / "half.onnx")
    return FOLDER / "half.onnx"


def main():
    FOLDER.mkdir(exist_ok=True)
    index = {}

    def keep(name, numbers, what):
        index[name] = {"what": what, "numbers": np.asarray(numbers, np.float64).round(7).tolist()}

    path = plain().save("float")
    keep("float", run(path), "logits")

    keep("half", run(half(path), (images() / 255).astype(np.float16)).astype(np.float32), "logits")
    for form, name in [(QuantFormat.QDQ, "qdq"), (QuantFormat.QOperator, "qoperator")]:
        target = FOLDER / f"{name}.onnx"
        quantize_static(path, target, Calibration(), quant_format=form, weight_type=QuantType.QInt8)
        keep(name, run(target), "logits")
    target = FOLDER / "dynamic.onnx"
    quantize_dynamic(path, target, weight_type=QuantType.QUInt8)
    # The scale is that of the whole call: one image at a time, as the engines run it.
    keep("dynamic", np.concatenate([run(target, images()[i : i + 1] / 255) for i in range(IMAGES)]), "logits")

    for level, name in [("EXTENDED", "extended"), ("ALL", "all")]:
        options = ort.SessionOptions()
        options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_ENABLE_{level}")
        options.optimized_model_filepath = str(FOLDER / f"{name}.onnx")
        ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        keep(name, run(FOLDER / f"{name}.onnx"), "logits")

    path = mixer().save("mixer")
    keep("mixer", run(path), "logits")
    target = FOLDER / "fused.onnx"
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target)
    ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    keep("fused", run(target), "logits")

    path = branched().save("branched")
    keep("branched", run(path), "logits")
    target = FOLDER / "whole.onnx"
    quantize_static(path, target, Calibration(), quant_format=QuantFormat.QOperator, weight_type=QuantType.QInt8)
    keep("whole", run(target), "logits")
    target = FOLDER / "mixer_dynamic.onnx"
    quantize_dynamic(FOLDER / "mixer.onnx", target, weight_type=QuantType.QInt8)
    options.optimized_model_filepath = str(FOLDER / "fused_dynamic.onnx")
    ort.InferenceSession(target, options, providers=["CPUExecutionProvider"])
    for name in ["mixer_dynamic", "fused_dynamic"]:
        rows = [run(FOLDER / f"{name}.onnx", images()[i : i + 1] / 255) for i in range(IMAGES)]
        keep(name, np.concatenate(rows), "logits")

    net = plain()
    net.outputs = []
    net.node("Sigmoid", ["scores"], "probs")
    net.output("probs", ["n", CLASSES])
    keep("sigmoid", run(net.save("sigmoid")), "probs")

    net = Net(classes=1)
    net.trunk()
    net.head()
    net.node("Sigmoid", ["scores"], "prob")
    net.output("prob", ["n", 1])
    positive = run(net.save("binary"))
    keep("binary", np.concatenate([1 - positive, positive], axis=1), "probs")

    net = plain()
    net.outputs = []
    net.node("Softmax", ["scores"], "probs", axis=1)
    net.imports.append(helper.make_opsetid("ai.onnx.ml", 2))
    net.nodes.append(
        helper.make_node("ZipMap", ["probs"], ["loss"], domain="ai.onnx.ml", classlabels_strings=["a", "b", "c", "d"])
    )
    net.node("ArgMax", ["probs"], "label", axis=1, keepdims=0)
    net.output("label", ["n"], TensorProto.INT64)
    kind = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    net.outputs.append(helper.make_value_info("loss", helper.make_sequence_type_proto(kind)))
    rows = run(net.save("zipmap"), output=1)
    keep("zipmap", [[row[name] for name in "abcd"] for row in rows], "probs")

    net = Net()
    net.inputs = [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", SIDE, SIDE, 3])]
    x = net.node("Cast", ["pixels"], "float", to=TensorProto.FLOAT)
    x = net.node("Div", [x, net.constant("scale", np.float32(255))], "unit")
    net.node("Transpose", [x], "image", perm=[0, 3, 1, 2])
    net.trunk()
    net.head()
    net.output("scores", ["n", CLASSES])
    feed = images().astype(np.uint8).transpose(0, 2, 3, 1)
    keep("bytes", run(net.save("bytes"), feed), "logits of pixels 0..255")

    net = Net()
    net.inputs = [
        helper.make_tensor_value_info("picture", TensorProto.FLOAT, [3, SIDE, SIDE]),
        helper.make_tensor_value_info("training", TensorProto.BOOL, []),
    ]
    net.node("Unsqueeze", ["picture", net.constant("axis", np.array([0]))], "image")
    net.trunk()
    net.head()
    net.node("Squeeze", ["scores", "axis"], "out")
    net.output("out", [CLASSES])
    session = ort.InferenceSession(net.save("single"), providers=["CPUExecutionProvider"])
    rows = [session.run(None, {"picture": image, "training": np.array(False)})[0] for image in images() / 255]
    keep("single", rows, "logits")

    (FOLDER / "index.json").write_text(json.dumps(index, indent=1) + "\n")
    print({name: np.asarray(entry["numbers"])[0].round(3).tolist() for name, entry in index.items()})


main()
