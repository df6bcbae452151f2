"""Makes attributions.safetensors and attributions.json: raw maps of pytorch-grad-cam and captum on the golden nets.

Run after make_goldens.py, in the same environment with `pip install grad-cam saliency scikit-image`. The maps are taken before pytorch-grad-cam
scales them per image. Where it does something else than the paper, a formula written out here stands in; README.md says which.
Everything is in f64 from f32 weights.
"""
import copy
import json
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from captum.attr import DeepLift, InputXGradient, LRP, Occlusion, Saliency
from captum.attr._core import deep_lift
from captum.attr._utils.lrp_rules import GammaRule
from pytorch_grad_cam import GradCAM, HiResCAM, LayerCAM, XGradCAM
from safetensors.numpy import load_file, save_file
from saliency.core.guided_ig import guided_ig_impl
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


def with_own_modules(model):
    """The net with a module of its own for each activation, and nothing but a product with one between two of them.

    captum keeps what it saw at a module in that module, so that the second use of one overwrites the first; and where an
    activation feeds another, the first is given the plain gradient of the second.
    """
    graph = torch.fx.symbolic_trace(model)
    modules = dict(graph.named_modules())
    rescaled = (nn.ReLU, nn.ReLU6, nn.MaxPool2d)
    for i, node in enumerate(list(graph.graph.nodes)):
        if node.op == "call_module" and isinstance(modules[node.target], rescaled):
            own = modules[node.target]
            own = copy.deepcopy(own) if isinstance(own, nn.MaxPool2d) else type(own)()
        elif node.op == "call_function" and node.target in (F.relu, torch.relu):
            own = nn.ReLU()
        else:
            continue
        graph.add_module(f"apart_{i}", Apart())
        graph.add_module(f"own_{i}", own)
        with graph.graph.inserting_before(node):
            apart = graph.graph.call_module(f"apart_{i}", (node.args[0],))
            new = graph.graph.call_module(f"own_{i}", (apart,))
        node.replace_all_uses_with(new)
        graph.graph.erase_node(node)
    graph.recompile()
    return graph.eval()


class Apart(nn.Module):
    def forward(self, x):
        return x * 1.0


def max_pool_rule(module, inputs, outputs, grad_input, grad_output, eps=1e-10):
    """captum's rule, summed where windows overlap (its unpooling keeps one window's share)."""
    (x, r), (y, s), g = inputs.chunk(2), outputs.chunk(2), grad_output.chunk(2)[0]
    highest = torch.maximum(y, s)
    window = (module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode, True)
    of_x, of_r = F.max_pool2d(inputs, *window)[1].chunk(2)
    shares = torch.zeros_like(x).flatten(2)
    shares.scatter_add_(2, of_x.flatten(2), (g * (highest - s)).flatten(2))
    shares.scatter_add_(2, of_r.flatten(2), (g * (y - highest)).flatten(2))
    change = x - r
    still = change.abs() < eps
    multipliers = torch.where(still, grad_input.chunk(2)[0], shares.view_as(x) / change.masked_fill(still, 1.0))
    return torch.cat([multipliers, multipliers])


class MontavonGamma(GammaRule):
    """The bias is a weight like the others (Montavon et al. 2019, sums over 0, j); captum leaves it as it is."""

    def _manipulate_weights(self, module, inputs, outputs):
        super()._manipulate_weights(module, inputs, outputs)
        if getattr(module, "bias", None) is not None:
            module.bias.data = module.bias.data + self.gamma * module.bias.data.clamp(min=0)


def gradient_at(model, images, targets):
    x = images.clone().requires_grad_()
    return torch.autograd.grad(model(x).gather(1, targets[:, None]).sum(), x)[0]


def blurred(images, sigma):
    """Gaussian of radius 3 sigma, edges repeated."""
    if sigma == 0:
        return images
    radius = int(np.ceil(3 * sigma))
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1).double() / sigma) ** 2)
    kernel = kernel / kernel.sum()
    for axis in (2, 3):
        pad = (radius, radius, 0, 0) if axis == 3 else (0, 0, radius, radius)
        windows = F.pad(images, pad, mode="replicate").unfold(axis, 2 * radius + 1, 1)
        images = (windows * kernel).sum(-1)
    return images


def blur_path(model, images, targets, n_steps=8, max_sigma=3.0):
    """Blur IG by the midpoint rule."""
    level = lambda place: blurred(images, max_sigma * (1 - place / n_steps))
    steps = (gradient_at(model, level(s + 0.5), targets) * (level(s + 1) - level(s)) for s in range(n_steps))
    return sum(steps)


def guided_path(model, images, targets, n_steps=12):
    """Guided IG by its authors' package, which knows an argument of numpy by its old name."""
    made, quantile = [], np.quantile
    np.quantile = lambda a, q, interpolation: quantile(a, q, method=interpolation)
    for image, target in zip(images, targets):
        slopes = lambda x, target=target: gradient_at(model, torch.from_numpy(x)[None], target[None])[0].numpy()
        made.append(guided_ig_impl(image.numpy(), np.zeros(image.shape), slopes, steps=n_steps))
    np.quantile = quantile
    return torch.from_numpy(np.stack(made))


def full_grad(model, images, targets):
    """The map of full_grad.rs, and its terms of both signs less the logit."""
    kept, hooks = [], []
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            bias = module.bias - module.weight * module.running_mean / torch.sqrt(module.running_var + module.eps)
        elif isinstance(module, nn.Conv2d) and module.bias is not None:
            bias = module.bias
        else:
            continue
        # What follows may write over its input: it is given a clone.
        keep = lambda _m, _i, o, bias=bias: (kept.append((bias.detach(), o)), o.clone())[1]
        hooks.append(module.register_forward_hook(keep))
    x = images.clone().requires_grad_()
    chosen = model(x).gather(1, targets[:, None]).sum()
    for hook in hooks:
        hook.remove()
    own, *others = torch.autograd.grad(chosen, [x, *(o for _, o in kept)])
    total = (x * own).abs().sum(1)
    for (bias, _), gradient in zip(kept, others):
        if gradient.shape[2] * gradient.shape[3] == 1:
            continue
        term = (bias[:, None, None] * gradient).abs().sum(1, keepdim=True)
        share = gradient.shape[2] * gradient.shape[3] / (x.shape[2] * x.shape[3])
        total = total + share * F.interpolate(term, x.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    return total.detach().numpy()


def pixels(family, model, images, targets):
    sums = lambda x: x.detach().numpy().sum(1)
    out = {
        "saliency": Saliency(model).attribute(images, targets).numpy().max(1),
        "input_x_gradient": sums(InputXGradient(model).attribute(images.clone(), targets)),
    }
    with torch.no_grad():
        out["occlusion"] = sums(Occlusion(model).attribute(images, (3, 8, 8), strides=(3, 4, 4), target=targets)) / 3
    out["blur_ig"] = sums(blur_path(model, images, targets))
    # On the black baseline the slopes of this VGG are equal but for rounding, which then decides where the path goes.
    if family != "vgg":
        out["guided_ig"] = sums(guided_path(model, images, targets))
    if family in ("resnet", "vgg", "squeezenet", "densenet", "mobilenet_v2"):
        own = with_own_modules(copy.deepcopy(model))
        rules = deep_lift.SUPPORTED_NON_LINEAR
        rules[nn.MaxPool2d], rules[nn.ReLU6] = max_pool_rule, deep_lift.nonlinear
        maps = DeepLift(own).attribute(images, target=targets)
        change = (own(images) - own(torch.zeros_like(images))).gather(1, targets[:, None])[:, 0]
        assert torch.allclose(maps.sum((1, 2, 3)), change), f"{family}: DeepLIFT is not complete"
        out["deep_lift"] = sums(maps)
        out["full_grad"] = full_grad(model, images, targets)
    if family == "vgg":
        for module in model.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False
        out["lrp"] = sums(LRP(model).attribute(images.clone().requires_grad_(), target=targets))
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.rule = MontavonGamma(0.25)
        out["lrp_gamma"] = sums(LRP(model).attribute(images.clone().requires_grad_(), target=targets))
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
    packages = ("torch", "captum", "grad-cam", "saliency", "numpy")
    described = {"versions": {p: version(p) for p in packages}, "methods": methods}
    (HERE / "attributions.json").write_text(json.dumps(described, indent=1) + "\n")


if __name__ == "__main__":
    main()
