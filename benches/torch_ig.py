"""Integrated gradients by captum on a ResNet-18 of random weights: what `--bench burn` is set beside.

    python torch_ig.py resnet18.onnx     # writes the model and prints seconds an image

Needs torch, torchvision, captum, onnx (versions: tests/golden/requirements.txt).
"""
import sys
import time

import torch
import torchvision
from captum.attr import IntegratedGradients

torch.manual_seed(0)
net = torchvision.models.resnet18(weights=None).eval().requires_grad_(False)
example = torch.randn(1, 3, 224, 224)
torch.onnx.export(net, (example,), sys.argv[1], dynamo=False, opset_version=17, input_names=["input"],
                  output_names=["logits"], dynamic_axes={"input": {0: "n"}, "logits": {0: "n"}})
method = IntegratedGradients(net)
for batch in (8, 16, 32):
    seconds = []
    for _ in range(6):
        start = time.perf_counter()
        method.attribute(example, target=0, n_steps=32, internal_batch_size=batch, method="gausslegendre")
        seconds.append(time.perf_counter() - start)
    print(f"{torch.get_num_threads()} threads, calls of {batch}: {min(seconds[1:]):.3f} s an image")
