#!/usr/bin/env python3
"""Reads a trained GGUF back with the `gguf` package and runs it in plain NumPy, apart from PyTorch.

    python3 jobs/models/check_gguf.py jobs/models/evaluator-5m.gguf

The vocabulary, merges and settings come from the file, and q and k are rotated as neighbouring pairs, as
readers of GGUF do. Compares greedy answers with those in the training report; exits 1 on a difference.
"""
import argparse
import json
import sys
from pathlib import Path

import gguf
import numpy as np

from vocabulary import encode, from_lists
from world import chat

SUITES = Path(__file__).resolve().parent.parent / "suites"


class Model:
    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        value = lambda key: reader.fields[key].contents()
        self.weights = {t.name: gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32) for t in reader.tensors}
        setting = lambda key: value("llama." + key)
        self.layers, self.width = setting("block_count"), setting("embedding_length")
        self.heads, self.kv_heads = setting("attention.head_count"), setting("attention.head_count_kv")
        self.head, self.base = setting("rope.dimension_count"), setting("rope.freq_base")
        self.eps = setting("attention.layer_norm_rms_epsilon")
        tokens, types = value("tokenizer.ggml.tokens"), value("tokenizer.ggml.token_type")
        control = [token for token, kind in zip(tokens, types) if kind == gguf.TokenType.CONTROL]
        assert value("tokenizer.ggml.model") == "gpt2" and value("tokenizer.ggml.pre") == "gpt-2"
        assert value("tokenizer.ggml.add_bos_token") and "output.weight" not in self.weights
        self.tokenizer = from_lists(tokens, value("tokenizer.ggml.merges"), control)
        self.end = value("tokenizer.ggml.eos_token_id")

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps) * self.weights[name + ".weight"]

    def rotate(self, x, first):
        """x: [length, heads, head]; pairs (2i, 2i + 1)."""
        angles = (first + np.arange(len(x)))[:, None] * self.base ** -(np.arange(0, self.head, 2) / self.head)[None]
        cos, sin = np.cos(angles)[:, None].astype(np.float32), np.sin(angles)[:, None].astype(np.float32)
        even, odd = x[..., 0::2], x[..., 1::2]
        return np.stack([even * cos - odd * sin, even * sin + odd * cos], -1).reshape(x.shape)

    def step(self, ids, cache):
        """Logits after the last of `ids`, which continue what the cache holds. Grows the cache."""
        x, first = self.weights["token_embd.weight"][ids], len(cache[0][0]) if cache else 0
        for layer in range(self.layers):
            at = lambda name: self.weights[f"blk.{layer}.{name}.weight"].T
            y = self.norm(x, f"blk.{layer}.attn_norm")
            q = self.rotate((y @ at("attn_q")).reshape(len(ids), self.heads, self.head), first)
            k = self.rotate((y @ at("attn_k")).reshape(len(ids), self.kv_heads, self.head), first)
            v = (y @ at("attn_v")).reshape(len(ids), self.kv_heads, self.head)
            if first:
                k, v = np.concatenate([cache[layer][0], k]), np.concatenate([cache[layer][1], v])
            if layer < len(cache):
                cache[layer] = (k, v)
            else:
                cache.append((k, v))
            mixed = np.empty((len(ids), self.heads, self.head), np.float32)
            hidden = np.arange(len(k))[None] > first + np.arange(len(ids))[:, None]
            for h in range(self.heads):
                group = h * self.kv_heads // self.heads
                scores = q[:, h] @ k[:, group].T / np.sqrt(np.float32(self.head))
                scores[hidden] = -np.inf
                scores = np.exp(scores - scores.max(-1, keepdims=True))
                mixed[:, h] = scores / scores.sum(-1, keepdims=True) @ v[:, group]
            x = x + mixed.reshape(len(ids), -1) @ at("attn_output")
            y = self.norm(x, f"blk.{layer}.ffn_norm")
            gate = y @ at("ffn_gate")
            x = x + (gate / (1 + np.exp(-gate)) * (y @ at("ffn_up"))) @ at("ffn_down")
        return self.norm(x[-1], "output_norm") @ self.weights["token_embd.weight"].T

    def answer(self, prompt, new_tokens):
        ids, cache, made = encode(self.tokenizer, chat(prompt)), [], []
        for _ in range(new_tokens):
            best = int(self.step(ids, cache).argmax())
            if best == self.end:
                break
            made.append(best)
            ids = [best]
        return self.tokenizer.decode(made)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=Path)
    options = parser.parse_args()
    model = Model(options.gguf)
    report = json.loads(options.gguf.with_suffix(".report.json").read_text())
    wrong = 0
    for suite, new_tokens in [("decisions", 12), ("refusal", 32)]:
        lines = [json.loads(line) for line in (SUITES / f"{suite}.jsonl").read_text().splitlines()]
        chosen = lines[::-(-len(lines) // len(report["answers"][suite]))]
        for line, expected in zip(chosen, report["answers"][suite]):
            answer = model.answer(line["prompt"], new_tokens)
            wrong += answer != expected
            print("same" if answer == expected else f"DIFFERENT, report says {expected!r}:", line["id"], repr(answer))
    print(f"{wrong} answers differ")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
