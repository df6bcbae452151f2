"""Makes attributions.safetensors and attributions.json: raw maps of pytorch-grad-cam and captum on the golden nets.

Run after make_goldens.py, in the same environment with `pip install grad-cam`. The maps are taken before pytorch-grad-cam
scales them per image. Where it does something else than the paper, a formula written out here stands in; README.md says which.
Everything is in f64 from f32 weights.
"""
import json
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from captum.attr import InputXGradient, LRP, Occlusion, Saliency
from pytorch_grad_cam import GradCAM, HiResCAM, LayerCAM, XGradCAM
from safetensors.numpy import load_file, save_file
from torch import nn
from torch.nn import functional as F

import make_goldens
import nets

HERE = Path(__file__).parent
FAMILIES = ("resnet", "mobilenet_v2", "densenet", "efficientnet", "convnext", "vit", "deit", "vgg", "squeezenet")
LIBRARY = dict(grad_cam=GradCAM, xgrad_cam=XGradCAM, hires_cam=HiResCAM, layer_cam=LayerCAM)


class Target:
    def __init__(self, index):
        self.index = index

    def __call__(self, output):
        return output[self.index]


def library_map(method, model, layer, images, targets, reshape):
    """The weighted sum of pytorch-grad-cam, before ReLU, resizing and scaling."""
    with method(model=model, target_layers=[layer], reshape_transform=reshape) as cam:
        raw = {}
        inner = cam.get_cam_image
        cam.get_cam_image = lambda *a, **k: raw.setdefault("map", inner(*a, **k))
        cam(input_tensor=images, targets=[Target(int(t)) for t in targets])
        return np.asarray(raw["map"], np.float64)


def formulas(model, layer, images, targets, a, g, to_map, from_map):
    """What pytorch-grad-cam does differently from the papers, written out."""
    total = a.sum((2, 3), keepdims=True)
    positive = np.maximum(g, 0)
    out = {"grad_cam_pp": ((positive / (2 + g * total)).sum((2, 3), keepdims=True) * a).sum(1)}
    for name, x, centre in (("eigen_cam", a, False), ("eigen_cam_centred", a, True), ("eigen_grad_cam", g * a, False)):
        maps = []
        for one in x:
            m = one.reshape(one.shape[0], -1).T
            towards = m.sum(1)
            if centre:
                m = m - m.mean(0)
            u, s, _ = np.linalg.svd(m, full_matrices=False)
            p = u[:, 0] * s[0]
            maps.append((p * np.sign(p @ towards)).reshape(one.shape[1:]))
        out[name] = np.stack(maps)

    def logits_with(value):
        hook = layer.register_forward_hook(lambda _m, _i, o: value(o))
        with torch.no_grad():
            result = model(images)
        hook.remove()
        return result.numpy()

    rows = np.arange(len(targets))
    with torch.no_grad():
        logits = model(images).numpy()[rows, targets]
        h = F.interpolate(torch.from_numpy(a), images.shape[2:], mode="bilinear", align_corners=False)
        low, high = h.amin((2, 3), keepdim=True), h.amax((2, 3), keepdim=True)
        h = torch.where(high > low, (h - low) / (high - low).clamp(min=1e-300), torch.zeros(()).double())
        scores = np.stack([model(images * h[:, k : k + 1]).numpy()[rows, targets] for k in range(a.shape[1])], 1)
    weights = np.exp(scores - scores.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    out["score_cam"] = (weights[:, :, None, None] * a).sum(1)
    losses = []
    for k in range(a.shape[1]):
        def without(o, k=k):
            changed = to_map(o).clone()
            changed[:, k] = 0
            return from_map(o, changed)
        losses.append((logits - logits_with(without)[rows, targets]) / np.abs(logits))
    out["ablation_cam"] = (np.stack(losses, 1)[:, :, None, None] * a).sum(1)
    return out


def attention(model, images, targets):
    """Softmax weights of every block and their gradients: scaled dot products done by hand."""
    kept = []

    def by_hand(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, **_):
        e = torch.softmax(q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5, -1)
        kept.append(e)
        return e @ v

    original = F.scaled_dot_product_attention
    F.scaled_dot_product_attention = torch.nn.functional.scaled_dot_product_attention = by_hand
    try:
        model.train()  # no fused path; dropout is off everywhere
        chosen = model(images).gather(1, targets[:, None]).sum()
        gradients = torch.autograd.grad(chosen, kept)
    finally:
        model.eval()
        F.scaled_dot_product_attention = torch.nn.functional.scaled_dot_product_attention = original
    t = kept[0].shape[-1]
    rollout = relevance = torch.eye(t, dtype=torch.float64).expand(len(images), t, t)
    for e, g in zip(kept, gradients):
        rollout = (0.5 * e.mean(1) + 0.5 * torch.eye(t)) @ rollout
        relevance = relevance + (g * e).clamp(min=0).mean(1) @ relevance
    side = int((t - 1) ** 0.5)
    prefix = t - side * side
    cut = lambda r: r[:, 0, prefix:].reshape(-1, side, side).detach().numpy()
    return {"attention_rollout": cut(rollout), "chefer": cut(relevance)}


def pixels(family, model, images, targets):
    sums = lambda x: x.detach().numpy().sum(1)
    out = {
        "saliency": Saliency(model).attribute(images, targets).numpy().max(1),
        "input_x_gradient": sums(InputXGradient(model).attribute(images.clone(), targets)),
    }
    with torch.no_grad():
        out["occlusion"] = sums(Occlusion(model).attribute(images, (3, 8, 8), strides=(3, 4, 4), target=targets)) / 3
    if family == "vgg":
        for module in model.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False
        out["lrp"] = sums(LRP(model).attribute(images.clone().requires_grad_(), target=targets))
    return out


def main():
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    index = json.loads((HERE / "index.json").read_text())
    entries = {e["family"]: e for e in index["families"]}
    tensors, methods = {}, {}
    for family in FAMILIES:
        entry = entries[family]
        golden = load_file(HERE / entry["golden"])
        model, _, feature = nets.build(family, entry["seed"])
        model = model.double()
        images = torch.from_numpy(golden["images"]).double()
        targets = torch.tensor(entry["target_classes"])
        layer = make_goldens.module(model, feature)
        kept = {}
        hook = layer.register_forward_hook(lambda _m, _i, o: kept.update(o=o))
        chosen = model(images).gather(1, targets[:, None]).sum()
        gradient = torch.autograd.grad(chosen, kept["o"])[0]
        hook.remove()
        layout, prefix = make_goldens.feature_layout(family, kept["o"].shape)
        a = make_goldens.as_nchw(kept["o"].detach().numpy(), layout, prefix)
        g = make_goldens.as_nchw(gradient.numpy(), layout, prefix)
        assert np.abs(a - golden["feature_map"]).max() < 1e-4 * np.abs(a).max(), "another net than the golden's"

        def to_map(o):
            if layout != "tokens":
                return o
            n, t, c = o.shape
            return o[:, prefix:].reshape(n, a.shape[2], a.shape[3], c).permute(0, 3, 1, 2)

        def from_map(o, changed):
            if layout != "tokens":
                return changed
            return torch.cat([o[:, :prefix], changed.flatten(2).transpose(1, 2)], 1)

        reshape = to_map if layout == "tokens" else None
        maps = {k: library_map(m, model, layer, images, targets, reshape) for k, m in LIBRARY.items()}
        maps |= formulas(model, layer, images, targets.numpy(), a, g, to_map, from_map)
        if layout == "tokens":
            maps |= attention(model, images, targets)
        maps |= pixels(family, model, images, targets)
        methods[family] = sorted(maps)
        tensors |= {f"{family}/{k}": np.ascontiguousarray(v, np.float32) for k, v in maps.items()}
        print(family, {k: f"{np.abs(v).max():.2g}" for k, v in maps.items()})
    save_file(tensors, HERE / "attributions.safetensors")
    (HERE / "attributions.safetensors").chmod(0o644)
    packages = ("torch", "captum", "grad-cam", "numpy")
    described = {"versions": {p: version(p) for p in packages}, "methods": methods}
    (HERE / "attributions.json").write_text(json.dumps(described, indent=1) + "\n")


if __name__ == "__main__":
    main()
