"""Training steps (forward, backward, update) of MobileNetV2 and ResNet-18 at 224 x 224 in PyTorch: what the trainer of the
`burn` backend is set beside.

    python torch_train.py FOLDER [BATCH [STEPS [THREADS]]]     # writes FOLDER/{mobilenet_v2,resnet18}.onnx, prints ms an image

Needs torch, torchvision, onnx (versions: tests/golden/requirements.txt).
"""
import sys
import time
from pathlib import Path

import torch
import torchvision

folder = Path(sys.argv[1])
batch, n_steps, n_threads = (int(text) for text in (sys.argv[2:] + ["32", "4", "2"][len(sys.argv) - 2:]))
torch.set_num_threads(n_threads)
torch.manual_seed(0)
x, y = torch.randn(batch, 3, 224, 224), torch.arange(batch) % 1000
for name in ("mobilenet_v2", "resnet18"):
    net = getattr(torchvision.models, name)(weights=None)
    for module in net.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(module, torch.nn.BatchNorm2d):
            # Else all layers have the same numbers, and the exporter writes them once.
            torch.nn.init.uniform_(module.weight, 0.9, 1.1)
            torch.nn.init.uniform_(module.bias, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.9, 1.1)
    path = folder / f"{name}.onnx"
    if not path.exists():
        torch.onnx.export(net.eval(), (x[:1],), path, dynamo=False, opset_version=17, input_names=["input"],
                          output_names=["logits"], dynamic_axes={"input": {0: "n"}, "logits": {0: "n"}},
                          training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
    for trained in (False, True):
        net.train(trained)
        optimizer = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9)
        seconds = []
        for _ in range(n_steps):
            start = time.perf_counter()
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()
            seconds.append(time.perf_counter() - start)
        print(f"{name}, batch norm {'trained' if trained else 'frozen'}, {n_threads} threads: "
              f"{min(seconds) * 1e3:.0f} ms a step of {batch} images, {min(seconds) * 1e3 / batch:.1f} ms an image", flush=True)
