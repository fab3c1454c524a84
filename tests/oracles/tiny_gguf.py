"""Tiny random models of every family as GGUF files, for comparing engines.

Norm weights and biases are random too, so that none of them can be left out unnoticed.
"""

import numpy as np

VOCAB = 300
WIDTH = 64
HEADS = 4
KV_HEADS = 2
HEAD_DIM = 32
FFN = 96
CONTEXT = 256

# What differs: metadata (without the family's prefix), and the shape of a block.
FAMILIES = {
    "llama": {"layers": 3, "factors": "rope_freqs"},
    "llama-linear": {"family": "llama", "layers": 2,
                     "keys": {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0}},
    "qwen2": {"layers": 3, "qkv_bias": True, "head_dim": 16},
    "qwen3": {"layers": 3, "head_norms": True},
    "phi2": {"layers": 3, "layer_norm": True, "parallel": True, "fused_qkv": True, "qkv_bias": True,
             "biases": True, "gated": False, "heads": (4, 4), "head_dim": 16,
             "keys": {"rope.dimension_count": 8}},
    "phi3": {"layers": 3, "fused_qkv": True, "fused_ffn": True, "head_dim": 16,
             "factors": "long", "keys": {"rope.scaling.attn_factor": 1.19,
                                         "rope.scaling.original_context_length": 256}},
    "gemma2": {"layers": 3, "post_norms": True, "tied": True,
               "keys": {"attention.sliding_window": 8, "attn_logit_softcapping": 5.0,
                        "final_logit_softcapping": 3.0}},
    "gemma3": {"layers": 7, "post_norms": True, "head_norms": True, "tied": True,
               "keys": {"attention.sliding_window": 8, "rope.freq_base": 1000000.0,
                        "rope.scaling.type": "linear", "rope.scaling.factor": 8.0}},
    "qwen35": {"layers": 5, "head_norms": True, "hybrid": True,
               "keys": {"rope.freq_base": 10000000.0, "rope.dimension_count": 8, "full_attention_interval": 4,
                        "rope.dimension_sections": [2, 1, 1, 0], "ssm.conv_kernel": 4, "ssm.state_size": 16,
                        "ssm.group_count": 2, "ssm.time_step_rank": 4, "ssm.inner_size": 64}},
}


def add_vocabulary(writer):
    tokens = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % i for i in range(256)]
    tokens += ["\u2581w%d" % i for i in range(len(tokens), VOCAB)]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(i) for i in range(VOCAB)])
    writer.add_token_types([2, 3, 3] + [6] * 256 + [1] * (VOCAB - 259))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def write(name, path, seed=0):
    """Writes the model FAMILIES[name] with F32 weights."""
    import gguf

    spec = FAMILIES[name]
    family = spec.get("family", name)
    heads, kv_heads = spec.get("heads", (HEADS, KV_HEADS))
    head_dim = spec.get("head_dim", HEAD_DIM)
    rng = np.random.default_rng([seed, sum(name.encode())])
    writer = gguf.GGUFWriter(path, family)
    keys = {"block_count": spec["layers"], "embedding_length": WIDTH, "feed_forward_length": FFN,
            "context_length": CONTEXT, "attention.head_count": heads, "attention.head_count_kv": kv_heads,
            "attention.key_length": head_dim, "attention.value_length": head_dim,
            "rope.dimension_count": head_dim, "rope.freq_base": 10000.0, "vocab_size": VOCAB}
    keys["attention.layer_norm_epsilon" if spec.get("layer_norm") else
         "attention.layer_norm_rms_epsilon"] = 1e-6
    keys.update(spec.get("keys", {}))
    for key, value in keys.items():
        add = (writer.add_string if isinstance(value, str) else
               writer.add_array if isinstance(value, list) else
               writer.add_float32 if isinstance(value, float) else writer.add_uint32)
        add(family + "." + key, value)
    add_vocabulary(writer)

    def tensor(tensor_name, *shape, gain=1.0, shift=0.0):
        scale = gain if len(shape) == 1 else gain / np.sqrt(shape[-1])
        values = shift + scale * rng.standard_normal(shape)
        writer.add_tensor(tensor_name, values.astype(np.float32))

    def linear(linear_name, rows, cols, bias=False, gain=1.0):
        tensor(linear_name + ".weight", rows, cols, gain=gain)
        if bias:
            tensor(linear_name + ".bias", rows, gain=0.3)

    def norm(norm_name, n):
        tensor(norm_name + ".weight", n, gain=0.3, shift=1.0)
        if spec.get("layer_norm"):
            tensor(norm_name + ".bias", n, gain=0.3)

    biases = spec.get("biases", False)
    qkv_bias = spec.get("qkv_bias", False)
    tensor("token_embd.weight", VOCAB, WIDTH, gain=4.0)
    norm("output_norm", WIDTH)
    if not spec.get("tied"):
        linear("output", VOCAB, WIDTH, biases, gain=3.0)
    if spec.get("factors") == "rope_freqs":
        writer.add_tensor("rope_freqs.weight", np.linspace(1, 8, head_dim // 2, dtype=np.float32))
    if spec.get("factors") == "long":
        writer.add_tensor("rope_factors_long.weight", np.linspace(2, 60, head_dim // 2, dtype=np.float32))
        writer.add_tensor("rope_factors_short.weight", np.linspace(1, 3, head_dim // 2, dtype=np.float32))
    mixed, kv = heads * head_dim, kv_heads * head_dim
    for layer in range(spec["layers"]):
        block = "blk.%d." % layer
        norm(block + "attn_norm", WIDTH)
        if spec.get("hybrid") and (layer + 1) % 4 != 0:
            inner, value_heads = keys["ssm.inner_size"], keys["ssm.time_step_rank"]
            channels = inner + 2 * keys["ssm.group_count"] * keys["ssm.state_size"]
            linear(block + "attn_qkv", channels, WIDTH, gain=2.0)
            linear(block + "attn_gate", inner, WIDTH)
            linear(block + "ssm_beta", value_heads, WIDTH)
            linear(block + "ssm_alpha", value_heads, WIDTH)
            tensor(block + "ssm_conv1d.weight", channels, keys["ssm.conv_kernel"])
            tensor(block + "ssm_dt.bias", value_heads, gain=0.5)
            writer.add_tensor(block + "ssm_a", -np.exp(rng.uniform(-3, 0.5, value_heads)).astype(np.float32))
            tensor(block + "ssm_norm.weight", inner // value_heads, gain=0.3, shift=1.0)
            linear(block + "ssm_out", WIDTH, inner)
        else:
            if spec.get("fused_qkv"):
                linear(block + "attn_qkv", mixed + 2 * kv, WIDTH, qkv_bias, gain=1.5)
            else:
                linear(block + "attn_q", mixed * (2 if spec.get("hybrid") else 1), WIDTH, qkv_bias, gain=1.5)
                linear(block + "attn_k", kv, WIDTH, qkv_bias, gain=1.5)
                linear(block + "attn_v", kv, WIDTH, qkv_bias)
            linear(block + "attn_output", WIDTH, mixed, biases)
            if spec.get("head_norms"):
                norm(block + "attn_q_norm", head_dim)
                norm(block + "attn_k_norm", head_dim)
        if spec.get("post_norms"):
            norm(block + "post_attention_norm", WIDTH)
            norm(block + "post_ffw_norm", WIDTH)
        if not spec.get("parallel"):
            norm(block + ("post_attention_norm" if spec.get("hybrid") else "ffn_norm"), WIDTH)
        if spec.get("fused_ffn"):
            linear(block + "ffn_up", 2 * FFN, WIDTH, biases)
        else:
            if spec.get("gated", True):
                linear(block + "ffn_gate", FFN, WIDTH, biases)
            linear(block + "ffn_up", FFN, WIDTH, biases)
        linear(block + "ffn_down", WIDTH, FFN, biases)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
