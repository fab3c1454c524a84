#!/usr/bin/env python3
"""Seconds a decision-head seed takes in PyTorch: the same model, data sizes, optimiser and epochs as heads_bench.

usage: peer_heads_torch.py [threads]. Exits 0 with a reason when PyTorch is not installed.
"""
import sys
import time

try:
    import torch
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(0)

SEEDS, EPOCHS, BATCH, TRAIN, VALIDATION, TEST = 4, 20, 64, 420, 90, 90


def train_head(features, labels, weight, seed):
    """One seed as a plain PyTorch loop: shuffled batches, validation loss every epoch, best weights kept."""
    torch.manual_seed(seed)
    width = features.shape[1]
    head = torch.nn.Sequential(torch.nn.Linear(width, 256), torch.nn.GELU(), torch.nn.Dropout(0.1),
                               torch.nn.Linear(256, 3))
    optimiser = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=0.01)
    loss_of = torch.nn.CrossEntropyLoss(weight=weight)
    best, kept = float("inf"), None
    for _ in range(EPOCHS):
        head.train()
        order = torch.randperm(TRAIN)
        for at in range(0, TRAIN, BATCH):
            items = order[at:at + BATCH]
            optimiser.zero_grad()
            loss_of(head(features[items]), labels[items]).backward()
            optimiser.step()
        head.eval()
        with torch.no_grad():
            loss = loss_of(head(features[TRAIN:TRAIN + VALIDATION]), labels[TRAIN:TRAIN + VALIDATION]).item()
        if loss < best:
            best, kept = loss, {name: value.clone() for name, value in head.state_dict().items()}
    head.load_state_dict(kept)
    with torch.no_grad():
        return head(features[TRAIN + VALIDATION:])


def main():
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads")
    for width in (256, 2560):
        torch.manual_seed(0)
        features = torch.randn(TRAIN + VALIDATION + TEST, width)
        labels = torch.arange(TRAIN + VALIDATION + TEST) % 3
        weight = torch.ones(3)
        train_head(features, labels, weight, 0)
        start = time.perf_counter()
        for seed in range(SEEDS):
            train_head(features, labels, weight, seed)
        seconds = (time.perf_counter() - start) / SEEDS
        print(f"width {width:5}: {seconds * 1e3:7.1f} ms a seed ({EPOCHS} epochs)")


if __name__ == "__main__":
    main()
