#!/usr/bin/env python3
"""Trains the embedded model from nothing and writes it as GGUF with a report beside it.

    python3 jobs/models/train.py --out jobs/models/evaluator-5m.gguf

Needs PyTorch with a CUDA GPU (a CPU would take days) and the PyPI packages `tokenizers` and `gguf`.
"""
import argparse
import copy
import json
import math
import os
import time
from pathlib import Path
from random import Random

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # pool.py forks; each worker uses one core

import torch
import torch.nn.functional as F
from torch import nn

from decisions import make_decision
from gguf_file import write_gguf
from llama import Llama, Shape, generate, round_to_bf16, round_to_nearest
from pool import MARKS, ROW, WEIGHTS, WORD_MARKS, make_pool
from score import decision_scores, refusal_scores
from vocabulary import encode, train_tokenizer
from world import BOS, EOS, chat

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SUITES = Path(__file__).resolve().parent.parent / "suites"
NEW_TOKENS = {"decisions": 12, "refusal": 32}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--steps", type=int, default=10000)
    parser.add_argument("--rows", type=int, default=150000, help="packed rows of training text made in advance")
    parser.add_argument("--batch", type=int, default=96, help="rows a step")
    parser.add_argument("--rate", type=float, default=1.5e-3)
    return parser.parse_args()


def development_check(tokenizer, count=300):
    """A function that gives the share of right labels on unseen combinations other than the suites'."""
    rng = Random("development")
    examples = [make_decision(rng, "dev") for _ in range(count)]
    prefix = '{"decision": "'
    prompts = [encode(tokenizer, chat(example.prompt) + prefix) for example in examples]
    labels = torch.tensor([tokenizer.token_to_id(example.facts["label"]) for example in examples], device=DEVICE)
    tokens = torch.zeros(count, max(map(len, prompts)), dtype=torch.long, device=DEVICE)
    for row, ids in enumerate(prompts):
        tokens[row, :len(ids)] = torch.tensor(ids)
    last = torch.tensor([len(ids) - 1 for ids in prompts], device=DEVICE)

    @torch.no_grad()
    def check(model):
        logits = model(tokens)[torch.arange(count, device=DEVICE), last]
        return (logits.argmax(-1) == labels).float().mean().item()

    return check


class Objective(nn.Module):
    """Next-token loss, plus the loss of reading the marks of pool.py off the states of middle blocks."""

    WORDS_AFTER, TRIPLES_AFTER = (1, 2), (3, 4)  # blocks, from 0
    SHARE = 0.5

    def __init__(self, model, begin):
        super().__init__()
        self.model, self.begin, self.keep = model, begin, self.WORDS_AFTER + self.TRIPLES_AFTER
        self.heads = nn.ModuleList(nn.Linear(model.shape.width, 1 + len(MARKS)) for _ in self.keep)
        self.register_buffer("weights", torch.tensor(list(WEIGHTS.values())))

    def forward(self, batch, codes, marks):
        documents = (batch == self.begin).cumsum(1)
        logits, states = self.model(batch[:, :-1], documents[:, :-1], self.keep)
        each = F.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten(), reduction="none")
        weight = self.weights[codes[:, 1:]] * (documents[:, 1:] == documents[:, :-1])  # never predict a BOS
        loss = (each * weight.flatten()).sum() / weight.sum()
        marks = marks[:, :-1].flatten()
        words, triples = torch.where(marks <= WORD_MARKS, marks, 0), torch.where(marks > WORD_MARKS, marks, 0)
        targets = [words] * len(self.WORDS_AFTER) + [triples] * len(self.TRIPLES_AFTER)
        reading = []
        for head, state, target in zip(self.heads, states, targets):
            state = F.rms_norm(state.float(), state.shape[-1:])
            reading.append(F.cross_entropy(head(state).float().flatten(0, 1), target, ignore_index=0))
        reading = torch.stack(reading)
        return loss + self.SHARE * reading.sum(), loss, reading


def fit(model, pool, begin, options, check):
    """AdamW with warm-up and cosine decay; returns (history, seconds)."""
    objective = Objective(model, begin).to(DEVICE)
    decayed = [p for p in objective.parameters() if p.ndim == 2]
    plain = [p for p in objective.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}],
                                  lr=options.rate, betas=(0.9, 0.95), fused=DEVICE == "cuda")
    compiled, history, start = torch.compile(objective), [], time.time()
    choice = torch.Generator(device=DEVICE).manual_seed(options.seed)
    order = torch.empty(0, dtype=torch.long, device=DEVICE)
    for step in range(options.steps):
        rate = options.rate * min(1, (step + 1) / 200) * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * step / options.steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        if len(order) < options.batch:
            order = torch.randperm(len(pool[0]), device=DEVICE, generator=choice)
        rows, order = order[:options.batch], order[options.batch:]
        with torch.autocast(DEVICE, dtype=torch.bfloat16):
            total, loss, reading = compiled(*(part[rows].long() for part in pool))
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(objective.parameters(), 1.0)
        optimizer.step()
        if step % 250 == 0 or step == options.steps - 1:
            history.append({"step": step, "loss": round(loss.item(), 4), "reading": [round(x, 3) for x in reading.tolist()],
                            "dev_accuracy": round(check(model), 4)})
            print(history[-1], f"{time.time() - start:.0f} s", flush=True)
    return history, time.time() - start


def read_suite(name):
    return [json.loads(line) for line in (SUITES / f"{name}.jsonl").read_text().splitlines()]


@torch.no_grad()
def perplexity(model, tokenizer):
    total, count = 0.0, 0
    for line in read_suite("text"):
        ids = torch.tensor([encode(tokenizer, line["text"], end=True)], device=DEVICE)
        total += F.cross_entropy(model(ids[:, :-1])[0], ids[0, 1:], reduction="sum").item()
        count += ids.shape[1] - 1
    return {"perplexity": math.exp(total / count), "tokens": count}


def evaluate(model, tokenizer):
    """Scores on the held-out suites and the raw answers."""
    answers, scores = {}, {"text": perplexity(model, tokenizer)}
    for name, score in [("decisions", decision_scores), ("refusal", refusal_scores)]:
        lines = read_suite(name)
        prompts = [encode(tokenizer, chat(line["prompt"])) for line in lines]
        made = generate(model, prompts, NEW_TOKENS[name], tokenizer.token_to_id(EOS))
        answers[name] = [tokenizer.decode(ids) for ids in made]
        scores[name] = score(lines, answers[name])
        scores[name]["prompt_tokens_mean"] = sum(map(len, prompts)) / len(prompts)
        scores[name]["prompt_tokens_max"] = max(map(len, prompts))
    return scores, answers


def main():
    options = parse_arguments()
    start = time.time()
    tokenizer = train_tokenizer(options.seed)
    print(f"vocabulary {tokenizer.get_vocab_size()} {time.time() - start:.0f} s", flush=True)
    pool = [torch.from_numpy(part).to(DEVICE) for part in make_pool(tokenizer, options.seed, options.rows)]
    print(f"pool {options.rows} rows of {ROW}, {(pool[1] > 0).float().mean():.2f} full, {time.time() - start:.0f} s", flush=True)

    torch.manual_seed(options.seed)
    torch.set_float32_matmul_precision("high")
    model = Llama(Shape(vocabulary=tokenizer.get_vocab_size())).to(DEVICE)
    history, seconds = fit(model, pool, tokenizer.token_to_id(BOS), options, development_check(tokenizer))
    model.eval()
    torch.set_float32_matmul_precision("highest")
    round_to_bf16(model)

    scores, answers = evaluate(model, tokenizer)
    print(json.dumps(scores), flush=True)
    parameters = sum(p.numel() for p in model.parameters())
    description = "Tiny model for audits: refuses harmful requests, judges actions by evidence. Trained on synthetic text."
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_gguf(options.out, model, tokenizer, options.out.stem, description)
    simulated = {}
    for bits in (8, 4, 3, 2):
        rough = copy.deepcopy(model)
        round_to_nearest(rough, bits)
        simulated[f"rtn{bits}_g64"] = evaluate(rough, tokenizer)[0]
        print(bits, json.dumps(simulated[f"rtn{bits}_g64"]), flush=True)
    report = {
        "parameters": parameters, "bytes": options.out.stat().st_size,
        "options": {"seed": options.seed, "steps": options.steps, "rows": options.rows, "batch": options.batch, "rate": options.rate},
        "device": torch.cuda.get_device_name() if DEVICE == "cuda" else "CPU", "torch": torch.__version__,
        "seconds": {"training": round(seconds), "all": round(time.time() - start)}, "history": history,
        "bf16": scores, "simulated": simulated,
        "answers": {name: made[::-(-len(made) // 20)] for name, made in answers.items()},
    }
    options.out.with_suffix(".report.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
