#!/usr/bin/env python3
"""Trains the demo network and writes model.onnx.

    train.py [--cache DIR] [--seed N] [--out FILE] [--pictures N] [--epochs N] [--threads N]

A small residual network, trained in the ordinary way on pictures from draw.py: no part of a
picture is ever hidden or erased.  About five minutes on two cores.  --cache keeps the drawn
pictures for the next run.  The same arguments, library versions and thread count give the same
weights.
"""
import argparse
from multiprocessing import Pool
from pathlib import Path
import time

import numpy as np
from PIL import Image
import torch
from torch import nn
import torch.nn.functional as F

from draw import LABELS, draw

HERE = Path(__file__).parent
SIDE = 96                          # of the network's input, pixels
DRAWN_SIDE = 192                   # drawn larger, then scaled as a server scales a picture
MEAN, STD = 127.5, 64.0            # as in model.json
LABEL_SMOOTHING = 0.1              # keeps probabilities off 1, where explanations see no change
HELD_OUT = 10_000_000              # first seed of the pictures that training never sees


# ---------------------------------------------------------------- pictures

def picture(seed):
    image, _, label = draw(seed, DRAWN_SIDE)
    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.BILINEAR)), label


def pictures(first, count, cache, workers):
    """N,3,S,S uint8 and N int64, of the seeds first .. first + count - 1."""
    file = cache / f"shapes-{first}-{count}.npz" if cache else None
    if file and file.exists():
        kept = np.load(file)
        return torch.from_numpy(kept["x"]), torch.from_numpy(kept["y"])
    with Pool(workers) as pool:
        images, labels = zip(*pool.imap(picture, range(first, first + count), chunksize=64))
    x, y = np.stack(images).transpose(0, 3, 1, 2).copy(), np.array(labels, np.int64)
    if file:
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(file, x=x, y=y)
    return torch.from_numpy(x), torch.from_numpy(y)


def varied(x, generator):
    """The same turned, mirrored, with colour channels exchanged and another contrast: still
    pictures that draw.py could have drawn."""
    if torch.rand((), generator=generator) < 0.5:
        x = x.transpose(2, 3)
    x = x.flip([a for a in (2, 3) if torch.rand((), generator=generator) < 0.5])
    x = x[:, torch.randperm(3, generator=generator)]
    gain = 0.8 + 0.4 * torch.rand((len(x), 1, 1, 1), generator=generator)
    shift = 30 * torch.rand((len(x), 1, 1, 1), generator=generator) - 15
    return (x * gain + shift).clamp(0, 255)


# ---------------------------------------------------------------- the network

class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                                          nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(y)) + self.shortcut(x))


class Net(nn.Module):
    """96x96 -> stem 48x48 -> pool 24x24 -> blocks 24x24, 12x12, 12x12, 12x12 -> mean -> logits."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 5, 2, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(16)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.blocks = nn.Sequential(Block(16, 16, 1), Block(16, 32, 2), Block(32, 32, 1),
                                    Block(32, 60, 1))
        self.head = nn.Linear(60, len(LABELS))

    def forward(self, x):
        x = self.pool(F.relu(self.stem_norm(self.stem(x))))
        return self.head(self.blocks(x).mean((2, 3)))


def normalised(x):
    return (x.float() - MEAN) / STD


def train(net, x, y, epochs, seed, batch=128, rate=4e-3):
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(net.parameters(), rate, weight_decay=0.05)
    steps = epochs * (len(x) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.2)
    for epoch in range(epochs):
        started, losses = time.monotonic(), []
        net.train()
        for chosen in torch.randperm(len(x), generator=generator).split(batch):
            if len(chosen) < batch:
                break
            scores = net(normalised(varied(x[chosen], generator)))
            loss = F.cross_entropy(scores, y[chosen], label_smoothing=LABEL_SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}/{epochs}: loss {np.mean(losses):.4f}, "
              f"{time.monotonic() - started:.0f} s", flush=True)


@torch.no_grad()
def accuracy(net, x, y):
    net.eval()
    right = [net(normalised(a)).argmax(1) == b for a, b in zip(x.split(250), y.split(250))]
    return torch.cat(right).float().mean().item()


def export(net, path):
    """Opset 13, any batch size; torch folds BatchNormalization into the convolutions."""
    net.eval()
    axes = {"input": {0: "batch"}, "logits": {0: "batch"}}
    torch.onnx.export(net, torch.zeros(1, 3, SIDE, SIDE), str(path), opset_version=13,
                      do_constant_folding=True, input_names=["input"], output_names=["logits"],
                      dynamic_axes=axes)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cache", type=Path, help="folder that keeps the drawn pictures")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE / "model.onnx")
    parser.add_argument("--pictures", type=int, default=12_000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    torch.use_deterministic_algorithms(True)
    x, y = pictures(0, args.pictures, args.cache, args.threads)
    net = Net()
    print(f"{sum(p.numel() for p in net.parameters())} parameters, {len(x)} pictures", flush=True)
    train(net, x, y, args.epochs, args.seed)
    held_out = pictures(HELD_OUT, 2000, args.cache, args.threads)
    print(f"held-out accuracy {accuracy(net, *held_out):.4f}")
    export(net, args.out)


if __name__ == "__main__":
    main()
