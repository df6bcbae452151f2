"""Writes `repair.onnx` and `repair.json`: one training step of each optimiser, with batch norm frozen and trained, and of
each regularizer, in PyTorch.

Noise cannot be the same on both sides, so CoRM has a deviation of 0: the region that should not count becomes grey. The
penalty of RRR is differentiated twice by PyTorch."""
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
N, SIDE, CLASSES = 6, 12, 3
net = nn.Sequential(
    nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(),
    nn.Conv2d(6, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES),
).double()
with torch.no_grad():
    for module in net:
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.uniform_(0.5, 1.5)
            module.bias.uniform_(-0.2, 0.2)
net.eval()
here = Path(__file__)
torch.onnx.export(net.float(), torch.zeros(1, 3, SIDE, SIDE), here.with_name("repair.onnx"), dynamo=False, opset_version=13,
                  training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False, input_names=["image"],
                  output_names=["logits"], dynamic_axes={"image": {0: "n"}, "logits": {0: "n"}})
net.double()
start = {name: tensor.clone() for name, tensor in net.state_dict().items()}
rng = np.random.default_rng(0)
# in thousandths, so that a reader of f32 sees the same numbers
image_parts = rng.integers(0, 1001, (N, 3, SIDE, SIDE))
mask_parts = rng.integers(0, 1001, (N, SIDE, SIDE))
spurious_parts = np.array([0, 1000, 500, 250, 0, 1000])
labels, groups, predicted = [0, 1, 2, 0, 1, 1], [0, 0, 1, 1, 1, 2], [0, 1, 1, 0, 2, 1]
x = torch.tensor(image_parts / 1000)
y, m, s = torch.tensor(labels), torch.tensor(mask_parts / 1000), torch.tensor(spurious_parts / 1000)[:, None, None]
region = s * m + (1 - s) * (1 - m)
RATE = 0.05


def ce(inputs):
    return F.cross_entropy(net(inputs), y, reduction="none")


def grey(images):
    return (images * (1 - region[:, None]) + 0.5 * region[:, None]).clamp(0, 1)


def dro():
    losses, g = ce(x), torch.tensor(groups)
    return sum(losses[g == k].mean() for k in range(3)) / 3


def jtt(upweight=5.0):
    weights = torch.where(torch.tensor(predicted) != y, upweight, 1.0)
    return (weights / weights.mean() * ce(x)).mean()


def rrr(strength=50000.0):
    images = x.clone().requires_grad_()
    log_probs = F.log_softmax(net(images), dim=1)[torch.arange(N), y]
    gradient, = torch.autograd.grad(log_probs.sum(), images, create_graph=True)
    penalty = ((region[:, None] * gradient) ** 2).sum((1, 2, 3))
    return -log_probs.mean() + strength * penalty.mean()


LOSSES = {
    "erm": lambda: ce(x).mean(),
    "corm": lambda: ce(grey(x)).mean(),
    "corm_clean": lambda: 0.5 * ce(x).mean() + ce(grey(x)).mean(),
    "group_dro": dro,
    "jtt": jtt,
    "rrr": rrr,
}


def steps(loss, make, train_batch_norm, n_steps):
    net.load_state_dict(start)
    net.train(train_batch_norm)
    optimizer = make(net.parameters())
    losses = []
    for _ in range(n_steps):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    weights = {name: tensor.flatten().tolist() for name, tensor in net.state_dict().items() if "num_batches" not in name}
    return {"losses": losses, "weights": weights}


sgd = lambda parameters: torch.optim.SGD(parameters, lr=RATE, momentum=0.9, weight_decay=0.01)
adam = lambda parameters: torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.01)
cases = {}
for name, loss in LOSSES.items():
    cases[name] = dict(optimizer="sgd", train_batch_norm=False, n_steps=1, **steps(loss, sgd, False, 1))
for optimizer, make in (("sgd", sgd), ("adam_w", adam)):
    for train in (False, True):
        case = steps(LOSSES["erm"], make, train, 3)
        cases[f"erm_{optimizer}_{'trained' if train else 'frozen'}"] = dict(
            optimizer=optimizer, train_batch_norm=train, n_steps=3, **case)
out = {
    "versions": {name: version(name) for name in ("torch", "onnx", "numpy")},
    "rate": RATE, "side": SIDE, "labels": labels, "groups": groups, "predicted_classes": predicted,
    "images": image_parts.ravel().tolist(), "masks": mask_parts.ravel().tolist(), "spuriousness": spurious_parts.tolist(),
    "cases": cases,
}
here.with_name("repair.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
print({name: case["losses"] for name, case in cases.items()})
