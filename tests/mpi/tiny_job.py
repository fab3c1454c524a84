"""Writes a job small enough to run in a second: a random llama model (GGUF v3, F32) and three suites."""
import json
import struct

import numpy as np

WIDTH, LAYERS, HEADS, FFN, CONTEXT = 256, 2, 4, 256, 512
U32, F32, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5  # GGUF value types


def byte_tokens():
    """The printable stand-ins of GPT-2's byte-level BPE, one a byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(b) if b in plain else chr(next(spare)) for b in range(256)]


def text(s):
    raw = s.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(kind, v):
    if kind == STRING:
        return text(v)
    if kind == ARRAY:
        element, items = v
        return struct.pack("<IQ", element, len(items)) + b"".join(value(element, i) for i in items)
    return struct.pack({U32: "<I", F32: "<f", BOOL: "<?", I32: "<i"}[kind], v)


def write_model(path, seed=1, nan_in=None, large=1):
    tokens = byte_tokens() + ["<|end|>"]
    keys = [
        ("general.architecture", STRING, "llama"),
        ("general.name", STRING, "tiny"),
        ("llama.context_length", U32, CONTEXT),
        ("llama.embedding_length", U32, WIDTH),
        ("llama.block_count", U32, LAYERS),
        ("llama.feed_forward_length", U32, FFN),
        ("llama.attention.head_count", U32, HEADS),
        ("llama.attention.head_count_kv", U32, HEADS),
        ("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
        ("llama.rope.dimension_count", U32, WIDTH // HEADS),
        ("tokenizer.ggml.model", STRING, "gpt2"),
        ("tokenizer.ggml.pre", STRING, "gpt-2"),
        ("tokenizer.ggml.tokens", ARRAY, (STRING, tokens)),
        ("tokenizer.ggml.token_type", ARRAY, (I32, [1] * 256 + [3])),
        ("tokenizer.ggml.merges", ARRAY, (STRING, [f"{a} {b}" for a, b in ["th", "in", "er"]])),
        ("tokenizer.ggml.eos_token_id", U32, 256),
        ("tokenizer.ggml.bos_token_id", U32, 256),
        ("tokenizer.ggml.add_bos_token", BOOL, False),
    ]
    # Merges need their results among the tokens.
    merged = ["th", "in", "er"]
    tokens += merged
    keys[13] = ("tokenizer.ggml.token_type", ARRAY, (I32, [1] * 256 + [3] + [1] * len(merged)))
    shapes = {"token_embd.weight": (len(tokens), WIDTH), "output_norm.weight": (WIDTH,)}
    for i in range(LAYERS):
        for name, shape in [("attn_q", (WIDTH, WIDTH)), ("attn_k", (WIDTH, WIDTH)), ("attn_v", (WIDTH, WIDTH)),
                            ("attn_output", (WIDTH, WIDTH)), ("ffn_gate", (FFN, WIDTH)), ("ffn_up", (FFN, WIDTH)),
                            ("ffn_down", (WIDTH, FFN)), ("attn_norm", (WIDTH,)), ("ffn_norm", (WIDTH,))]:
            shapes[f"blk.{i}.{name}.weight"] = shape
    rng = np.random.default_rng(seed)
    head, data = b"", b""
    for name, shape in shapes.items():
        a = rng.standard_normal(shape, dtype=np.float32) / np.float32(np.sqrt(shape[-1]))
        if len(shape) == 1:
            a = 1 + a
        if name == "token_embd.weight":
            a *= np.float32(large)
        if name == nan_in:
            a.flat[7] = np.nan
        data += b"\0" * (-len(data) % 32)
        head += text(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", d) for d in shape[::-1])
        head += struct.pack("<IQ", 0, len(data))
        data += a.astype("<f4").tobytes()
    out = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(keys))
    out += b"".join(text(k) + struct.pack("<I", kind) + value(kind, v) for k, kind, v in keys) + head
    path.write_bytes(out + b"\0" * (-len(out) % 32) + data)


def lines(items):
    return "".join(json.dumps(i) + "\n" for i in items)


def write_suites(folder, prompts=48):
    refusal = [{"id": f"r{i}", "prompt": f"how do I do thing {i}", "expect": ["refuse", "answer"][i % 2],
                "wrapper": "plain"} for i in range(prompts)]
    decisions = [{"id": f"d{i}", "prompt": f"action {i} in the winter", "label": ["APPROVE", "REVISE", "VETO"][i % 3],
                  "split": ["train", "train", "validation", "test"][i // 3 % 4], "action_group": f"g{i}"}
                 for i in range(prompts)]
    texts = [{"id": f"t{i}", "text": "the rain in the river " * 3 + str(i)} for i in range(8)]
    for name, items in [("refusal", refusal), ("decisions", decisions), ("text", texts)]:
        (folder / f"{name}.jsonl").write_text(lines(items))


JOB = """name: tiny
seed: 3
models:
  - id: tiny
    family: llama
    path: tiny.gguf
    template: "{prompt}"
    baseline: bf16
    recipes: [bf16, q8_0, q4_k_m]
suites:
  - {id: refusal, file: refusal.jsonl, kind: refusal, max_new_tokens: 4}
  - {id: decisions, file: decisions.jsonl, kind: decision, max_new_tokens: 4}
  - {id: text, file: text.jsonl, kind: perplexity}
experiments:
  - {id: decision, kind: decision_heads, suite: decisions, seeds: 20}
"""


def write_job(folder, prompts=48):
    write_model(folder / "tiny.gguf")
    write_suites(folder, prompts)
    (folder / "job.yaml").write_text(JOB)
    return folder / "job.yaml"


FULL_JOB = """name: full
seed: 3
models:
  - id: tiny
    family: llama
    path: tiny.gguf
    template: "{prompt}"
    baseline: q8_0
    recipes: [bf16, q8_0, q2_k, gptq-4-g128, awq-4-g128]
calibration: {file: calibration.txt, sequences: 4, length: 32}
encoder: {path: encoder.gguf, layer: 1, pooling: mean}
suites:
  - {id: refusal, file: refusal.jsonl, kind: refusal, max_new_tokens: 4}
  - {id: decisions, file: decisions.jsonl, kind: decision, max_new_tokens: 4}
  - {id: truth, file: truth.jsonl, kind: truthfulness, max_new_tokens: 6}
  - {id: bias, file: bias.jsonl, kind: bias, max_new_tokens: 4}
  - {id: exam, file: exam.jsonl, kind: choice, max_new_tokens: 3}
  - {id: tasks, file: tasks.jsonl, kind: quality, max_new_tokens: 8, metrics: [rouge_l, bertscore, coherence]}
  - {id: text, file: text.jsonl, kind: perplexity, top_k: 5}
experiments:
  - {id: decision, kind: decision_heads, suite: decisions, seeds: 4}
  - {id: mechanisms, kind: mechanistic_probes, suite: refusal}
"""


def write_full_job(folder, prompts=24):
    """A job with every kind of suite, calibrated rows, an encoder and logits kept of a baseline that is not first."""
    write_model(folder / "tiny.gguf")
    write_model(folder / "encoder.gguf", seed=2)
    write_suites(folder, prompts)
    three = ["unknown", "the first", "the second"]
    suites = {
        "truth": [{"id": f"u{i}", "prompt": f"what eats {i}", "correct": [f"the eel {i}"], "incorrect": ["nobody"]}
                  for i in range(prompts)],
        "bias": [{"id": f"b{i}", "prompt": f"who is {i}", "choices": three, "unknown": i % 3,
                  "stereotyped": (i + 1) % 3} for i in range(prompts)],
        "exam": [{"id": f"e{i}", "prompt": f"which of {i}", "choices": [f"{c} {i}" for c in "xyz"[:2 + i % 2]],
                  "answer": i % 2, "variant_of": f"q{i // 4}"} for i in range(prompts)],
        "tasks": [{"id": f"q{i}", "prompt": f"say {i} again", "reference": f"{i} again"} for i in range(prompts)],
    }
    for name, items in suites.items():
        (folder / f"{name}.jsonl").write_text(lines(items))
    (folder / "calibration.txt").write_text("the rain in the river is thin, and the winter is here. " * 20)
    (folder / "job.yaml").write_text(FULL_JOB)
    return folder / "job.yaml"


MECHANISM_JOB = """name: mechanisms
seed: 3
models:
  - id: tiny
    family: llama
    path: tiny.gguf
    template: "{prompt}"
    baseline: q8_0
    recipes: [bf16, q8_0, q2_k]
suites:
  - {id: bad, file: bad.jsonl, kind: refusal, max_new_tokens: 2}
  - {id: good, file: good.jsonl, kind: refusal, max_new_tokens: 2}
experiments:
  - {id: mechanisms, kind: mechanistic_probes, suite: bad, harmless: good}
"""


def write_mechanism_job(folder):
    """Mechanistic probes on two suites; some prompts of the harmful one are wordings of one question."""
    write_model(folder / "tiny.gguf")
    bad = [{"id": f"b{i}", "prompt": f"how do I break thing {i * 7} " + "now " * (i % 3), "expect": "refuse",
            "wrapper": "plain"} | ({"variant_of": f"q{i // 4}"} if i % 2 else {}) for i in range(24)]
    good = [{"id": f"g{i}", "prompt": f"who made thing {i * 5}", "expect": "answer", "wrapper": "plain"}
            for i in range(18)]
    (folder / "bad.jsonl").write_text(lines(bad))
    (folder / "good.jsonl").write_text(lines(good))
    (folder / "job.yaml").write_text(MECHANISM_JOB)
    return folder / "job.yaml"


STUDY_JOB = """name: study
seed: 3
models:
  - id: tiny
    family: llama
    path: tiny.gguf
    template: "{prompt}"
    baseline: q8_0
    recipes: [bf16, q8_0, q2_k]
suites:
  - {id: decisions, file: decisions.jsonl, kind: decision, max_new_tokens: 4}
experiments:
  - {id: probes, kind: layer_probes, suite: decisions}
  - {id: cited, kind: evidence_head, suite: decisions, layer: auto, hidden: 16, max_epochs: 4}
  - {id: again, kind: reranked_prompts, suite: decisions, layer: auto, reads: cited}
  - {id: plain, HEADS, pooling: mean}
  - {HEADS, pooling: mean, id: frozen, train_on: baseline, against: plain}
  - {HEADS, pooling: mean, id: soft, method: softmask, reads: cited, against: plain}
  - {HEADS, pooling: mean, id: direction, method: dirsup, reads: cited, against: plain}
  - {HEADS, pooling: mean, id: random, method: rank1-random, reads: cited, against: plain}
  - {HEADS, pooling: mean, id: reorder, method: reorder, reads: again, against: plain}
  - {id: last, HEADS, pooling: last, against: plain}
  - {id: masked_last, HEADS, pooling: last, method: softmask, reads: cited, against: last}
  - {id: speed, kind: speed, suite: decisions, repetitions: 2}
"""


def write_study_job(folder, prompts=60):
    """Every kind of experiment on prompts with evidence lines."""
    write_model(folder / "tiny.gguf")
    kinds = ["harm", "mitigation", "hard_rule", "other"]
    items = []
    for i in range(prompts):
        evidence = [{"label": kinds[(i + j) % 4], "statement": f"line {j} of thing {i * 7 % 11}", "cited": (i + j) % 3 == 0}
                    for j in range(3 + i % 2)]
        prompt = f"judge thing {i}\n" + "".join(e["statement"] + "\n" for e in evidence) + "in the winter"
        items.append({"id": f"d{i}", "prompt": prompt, "label": ["APPROVE", "REVISE", "VETO"][i % 3],
                      "split": ["train", "train", "validation", "test"][i // 3 % 4], "action_group": f"g{i}",
                      "evidence": evidence})
    (folder / "decisions.jsonl").write_text(lines(items))
    heads = "kind: decision_heads, suite: decisions, seeds: 6, hidden: 16, max_epochs: 4"
    (folder / "job.yaml").write_text(STUDY_JOB.replace("HEADS", heads))
    return folder / "job.yaml"
