"""The llama architecture in PyTorch, as small as it gets. Weight names are those of GGUF.

RoPE here pairs dimension i with i + head/2 (as Hugging Face does); gguf_file.py permutes the rows of
q and k, because GGUF's `llama` pairs neighbours.
"""
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Shape:
    vocabulary: int
    width: int = 256
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    ffn: int = 768
    context: int = 1024
    rope_base: float = 10000.0
    norm_eps: float = 1e-5

    @property
    def head(self):
        return self.width // self.heads


class RmsNorm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x):
        x32 = x.float()
        return (x32 * torch.rsqrt(x32.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight).to(x.dtype)


def rope_table(shape, length, device):
    """cos and sin, [length, head / 2]."""
    steps = torch.arange(0, shape.head, 2, device=device, dtype=torch.float32) / shape.head
    angles = torch.arange(length, device=device, dtype=torch.float32)[:, None] * shape.rope_base ** -steps[None]
    return angles.cos(), angles.sin()


def rotate(x, table):
    """x: [batch, heads, length, head]."""
    cos, sin = table
    a, b = x.float().chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1).to(x.dtype)


class Block(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape, wide, kv = shape, shape.width, shape.kv_heads * shape.head
        self.attn_norm, self.ffn_norm = RmsNorm(wide, shape.norm_eps), RmsNorm(wide, shape.norm_eps)
        linear = lambda inputs, outputs: nn.Linear(inputs, outputs, bias=False)
        self.attn_q, self.attn_k, self.attn_v = linear(wide, wide), linear(wide, kv), linear(wide, kv)
        self.attn_output = linear(wide, wide)
        self.ffn_gate, self.ffn_up, self.ffn_down = linear(wide, shape.ffn), linear(wide, shape.ffn), linear(shape.ffn, wide)

    def forward(self, x, table, mask):
        batch, length, _ = x.shape
        split = lambda y: y.view(batch, length, -1, self.shape.head).transpose(1, 2)
        y = self.attn_norm(x)
        q, k, v = rotate(split(self.attn_q(y)), table), rotate(split(self.attn_k(y)), table), split(self.attn_v(y))
        groups = self.shape.heads // self.shape.kv_heads
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        x = x + self.attn_output(y.transpose(1, 2).reshape(batch, length, -1))
        y = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(y)) * self.ffn_up(y))


class Llama(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.vocabulary, shape.width)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.output_norm = RmsNorm(shape.width, shape.norm_eps)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=shape.width**-0.5)
        nn.init.normal_(self.token_embd.weight, std=0.02)

    def forward(self, tokens, documents=None, keep=()):
        """Logits [batch, length, vocabulary]; with `keep`, also the states after those blocks.

        `documents` numbers packed documents: none sees another. Positions run on over a packed row; RoPE is relative, so a document may start anywhere.
        """
        length = tokens.shape[1]
        mask = None
        if documents is not None:
            causal = torch.ones(length, length, device=tokens.device, dtype=torch.bool).tril()
            mask = ((documents[:, :, None] == documents[:, None, :]) & causal)[:, None]
        x, table = self.token_embd(tokens), rope_table(self.shape, length, tokens.device)
        states = []
        for index, block in enumerate(self.blk):
            x = block(x, table, mask)
            if index in keep:
                states.append(x)
        logits = F.linear(self.output_norm(x), self.token_embd.weight)
        return (logits, states) if keep else logits


def matrices(model):
    """The weight matrices: everything that is stored in BF16 and that quantization touches."""
    return [parameter for parameter in model.parameters() if parameter.ndim == 2]


@torch.no_grad()
def round_to_bf16(model):
    for weight in matrices(model):
        weight.copy_(weight.bfloat16().float())


@torch.no_grad()
def round_to_nearest(model, bits, group=64):
    """Asymmetric round-to-nearest with float scales: only a simulation of quantization."""
    for weight in matrices(model):
        rows = weight.view(weight.shape[0], -1, group)
        low, high = rows.amin(-1, keepdim=True), rows.amax(-1, keepdim=True)
        step = ((high - low) / (2**bits - 1)).clamp_min(1e-8)
        weight.copy_((((rows - low) / step).round() * step + low).view_as(weight))


@torch.no_grad()
def generate(model, prompts, new_tokens, end, batch=128):
    """Greedy continuations of token lists, up to `end`. Padding stands right, where causality hides it."""
    device, outputs = next(model.parameters()).device, [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for start in range(0, len(order), batch):
        chosen = order[start:start + batch]
        lengths = torch.tensor([len(prompts[i]) for i in chosen], device=device)
        tokens = torch.zeros(len(chosen), int(lengths.max()) + new_tokens, dtype=torch.long, device=device)
        for row, i in enumerate(chosen):
            tokens[row, :len(prompts[i])] = torch.tensor(prompts[i], device=device)
        rows, alive = torch.arange(len(chosen), device=device), torch.ones(len(chosen), dtype=torch.bool, device=device)
        for step in range(new_tokens):
            logits = model(tokens[:, :int(lengths.max()) + step])
            best = logits[rows, lengths + step - 1].argmax(-1)
            tokens[rows, lengths + step] = best
            alive &= best != end
            if not alive.any():
                break
        for row, i in enumerate(chosen):
            made = tokens[row, len(prompts[i]):len(prompts[i]) + new_tokens].tolist()
            outputs[i] = made[:made.index(end)] if end in made else made
    return outputs
