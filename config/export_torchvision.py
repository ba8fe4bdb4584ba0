#!/usr/bin/env python3
"""Writes a torchvision classifier as a model folder: model.onnx, model.json, labels.txt.

    export_torchvision.py resnet50 models/resnet50
    export_torchvision.py resnet18 models/mine --weights trained.pth --labels mine.txt
    export_torchvision.py squeezenet1_1 models/random --weights none --seed 1

Any convolutional classifier of torchvision 0.13 or later, at the input size, preprocessing and
labels of its own weights.  ONNX opset 13, any batch size.  model.json gets the masking policy of
the method's published code where that differs from the default (SqueezeNet, DenseNet).
Pretrained weights are downloaded by torchvision into its cache (TORCH_HOME).  A .pth file is taken
to want the preprocessing of torchvision's default weights: check `input` in model.json.
"""
import argparse
import json
from pathlib import Path
import pickle
import sys

try:
    import torch
    import torchvision
    from torchvision import models
except ImportError as missing:
    sys.exit(f"export_torchvision.py: needs torch and torchvision: {missing}")

FAMILIES = ("alexnet", "convnext", "densenet", "efficientnet", "googlenet", "inception", "mnasnet",
            "mobilenet", "regnet", "resnet", "resnext", "shufflenet", "squeezenet", "vgg",
            "wide_resnet")
HAVE_AUXILIARY = ("googlenet", "inception_v3")     # heads used in training only
DEFAULT_POLICY = {"concat": "union", "exposed": "computed", "average_pool": "visible",
                  "global_pool": "visible"}
POLICIES = {
    "squeezenet": {"global_pool": "plain"},
    "densenet": {"concat": "majority", "exposed": "zero", "average_pool": "plain",
                 "global_pool": "plain"},
}
OPSET = 13


class Refusal(Exception):
    """Something the caller can put right; the text says what."""


def networks():
    return sorted(name for name in vars(models) if name.startswith(FAMILIES)
                  and name.islower() and callable(getattr(models, name)))


def weights_of(name):
    """The enumeration of a network's pretrained weights."""
    return models.get_model_weights(name)


# ---------------------------------------------------------------- the network with its weights

def pretrained(name, which):
    """Weights and class of torchvision's own; `which` is a name like DEFAULT."""
    known = weights_of(name)
    if which not in known.__members__:
        raise Refusal(f"--weights {which}: neither a file nor one of none, "
                      f"{', '.join(known.__members__)}")
    entry = known[which]
    try:
        return getattr(models, name)(weights=entry, **auxiliary(name)), entry
    except OSError as error:
        raise Refusal(f"cannot download {entry.url}: {error}\nFetch it elsewhere and put it into "
                      f"{Path(torch.hub.get_dir()) / 'checkpoints'}") from error


def auxiliary(name):
    return {"aux_logits": False} if name in HAVE_AUXILIARY else {}


def untrained(name, classes, seed, transform_input=False):
    torch.manual_seed(seed)
    extra = auxiliary(name)
    if extra:
        extra.update(transform_input=transform_input, init_weights=False)
    return getattr(models, name)(weights=None, num_classes=classes, **extra)


def settle(net):
    """BatchNormalization's statistics, from blurred noise.  Without any, whole channels of a network
    with random weights are dead, as no trained one's are."""
    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None                            # the mean of all that is seen
    if norms:
        noise = torch.randn(8, 3, 28, 28)
        with torch.no_grad():
            net.train()(torch.nn.functional.interpolate(noise, 224, mode="bicubic"))
    return net.eval()


def state_from(file):
    """A state dictionary from a .pth file; nothing in the file is executed."""
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise Refusal(f"{file}: not a file of plain weights: {str(error).splitlines()[0]}"
                      ) from error
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not state or not all(map(torch.is_tensor, state.values())):
        raise Refusal(f"{file}: holds no state dictionary (names and tensors)")
    return {name[7:] if name.startswith("module.") else name: value
            for name, value in state.items() if "AuxLogits." not in name
            and not name.startswith(("aux1.", "aux2.", "module.aux1.", "module.aux2."))}


def from_file(name, file, classes, transform_input):
    state = state_from(file)
    if classes is None:
        classes = len(list(state.values())[-1].reshape(-1))        # the last layer's bias
    net = untrained(name, classes, 0, transform_input)
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        lines = str(error).splitlines()
        raise Refusal(f"{file} does not fit {name} with {classes} classes:"
                      f"{''.join(lines[1:2]) or lines[0]}") from error
    return net


def build(args):
    """The network and the entry of torchvision's weights that it carries, or None."""
    if args.classes is not None and args.classes < 1:
        raise Refusal(f"--classes {args.classes}: must be at least 1")
    if args.weights == "none":
        return settle(untrained(args.network, args.classes or 1000, args.seed,
                                args.transform_input)), None
    if Path(args.weights).is_file():
        return from_file(args.network, args.weights, args.classes, args.transform_input), None
    if args.classes is not None:
        raise Refusal("--classes: pretrained weights have their own classes; use it with a file "
                      "or --weights none")
    return pretrained(args.network, args.weights)


# ---------------------------------------------------------------- the folder

def preprocessing(entry):
    """model.json's `input`, from the transforms of torchvision's weights."""
    transforms = entry.transforms()
    size, shorter = transforms.crop_size[0], transforms.resize_size[0]
    return {"size": [size, size], "channels": "RGB", "resize_shorter": shorter, "crop": "center",
            "mean": [round(255 * v, 4) for v in transforms.mean],
            "std": [round(255 * v, 4) for v in transforms.std]}


def notes(entry):
    mode = entry.transforms().interpolation.value
    if mode == "bilinear":
        return []
    return [f"torchvision resizes with {mode} interpolation for this network; here it is bilinear."]


def policy(network):
    special = next((p for family, p in POLICIES.items() if network.startswith(family)), {})
    return {**DEFAULT_POLICY, **special}


def origin(args, entry):
    """What model.json says about where the weights come from, and under which terms."""
    if entry is not None:
        terms = entry.meta.get("license", "BSD-3-Clause (torchvision)")
        return f"torchvision, {entry}, {entry.url}", terms
    if args.weights == "none":
        return f"torchvision, random weights, seed {args.seed}", "BSD-3-Clause (torchvision)"
    return f"torchvision, weights of {Path(args.weights).name}", "that of the weights"


def description(args, entry, classes, labelled):
    like = entry or weights_of(args.network).DEFAULT
    source, terms = origin(args, entry)
    model = {"name": args.out.resolve().name, "description": f"{args.network}, {classes} classes.",
             "source": source, "license": terms, "input": preprocessing(like), "output": "logits"}
    if labelled:
        model["labels"] = "labels.txt"
    model["masking"] = policy(args.network)
    if notes(like):
        model["notes"] = notes(like)
    return model


def labels(args, entry, classes):
    """One per class: the file's, or ImageNet's where the number fits; else None."""
    if args.labels:
        lines = args.labels.read_text(encoding="utf-8").splitlines()
        if len(lines) != classes:
            raise Refusal(f"{args.labels} has {len(lines)} lines, the network {classes} classes")
        return lines
    names = (entry or weights_of(args.network).DEFAULT).meta["categories"] or []
    return names if len(names) == classes else None


def export(net, side, path):
    """Traces the network for any batch size."""
    axes = {"input": {0: "batch"}, "logits": {0: "batch"}}
    torch.onnx.export(net, torch.zeros(1, 3, side, side), str(path), opset_version=OPSET,
                      do_constant_folding=True, input_names=["input"], output_names=["logits"],
                      dynamic_axes=axes)


def write_folder(args):
    net, entry = build(args)
    side = preprocessing(entry or weights_of(args.network).DEFAULT)["size"][0]
    with torch.no_grad():
        classes = net.eval()(torch.zeros(1, 3, side, side)).shape[1]
    names = labels(args, entry, classes)
    text = json.dumps(description(args, entry, classes, bool(names)), indent=2, ensure_ascii=False)
    args.out.mkdir(parents=True, exist_ok=True)
    export(net, side, args.out / "model.onnx")
    (args.out / "labels.txt").unlink(missing_ok=True)
    if names:
        (args.out / "labels.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    (args.out / "model.json").write_text(text + "\n", encoding="utf-8")
    print(f"{args.out}: {args.network}, {side} x {side}, {classes} classes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("network", choices=networks(), metavar="NETWORK",
                        help="torchvision's name of a convolutional classifier, like resnet50")
    parser.add_argument("out", type=Path, metavar="OUT_DIR")
    parser.add_argument("--weights", default="DEFAULT", metavar="W",
                        help="torchvision's name of the weights (DEFAULT, IMAGENET1K_V1, ...), "
                             "a .pth file with a state dictionary, or none (random)")
    parser.add_argument("--classes", type=int, metavar="N",
                        help="of a file (else taken from its last layer), or of random weights")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="one label per line")
    parser.add_argument("--seed", type=int, default=0, help="of random weights")
    parser.add_argument("--transform-input", action="store_true",
                        help="googlenet and inception_v3, for a file: the network was fine-tuned "
                             "from torchvision's pretrained one, which rescales its input")
    try:
        write_folder(parser.parse_args())
    except (Refusal, OSError) as error:
        sys.exit(f"export_torchvision.py: {error}")


if __name__ == "__main__":
    main()
