"""AWQ's 4-bit layout, and the GPTQ layout that AutoAWQ turns it into, as AutoAWQ unpacks them.

A random packed llama folder, the same numbers as a GPTQ folder, and a plain F32 folder of what AutoAWQ decodes must
give the same logits, bit for bit: every weight is exact in F32 (scales of 11 bits, codes of 4). Usage: test_autoawq.py BRINKMAP. Exit 77
(skipped) without the packages autoawq, torch and safetensors. AutoAWQ's packing_utils.py is loaded as a file, for the
package as a whole asks for a GPU's libraries.
"""

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    from safetensors.torch import save_file

    if importlib.util.find_spec("awq") is None:
        raise ImportError("No module named 'awq'")
except (ImportError, OSError, RuntimeError) as error:
    print("skipped:", error)
    sys.exit(77)

WIDTH, FFN, HEADS, KV_HEADS, VOCAB, LAYERS = 128, 256, 4, 2, 96, 2
CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": WIDTH,
          "intermediate_size": FFN, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
          "num_key_value_heads": KV_HEADS, "vocab_size": VOCAB, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
          "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": False, "torch_dtype": "float32"}
KV = WIDTH // HEADS * KV_HEADS
LINEAR = {"self_attn.q_proj": (WIDTH, WIDTH), "self_attn.k_proj": (KV, WIDTH), "self_attn.v_proj": (KV, WIDTH),
          "self_attn.o_proj": (WIDTH, WIDTH), "mlp.gate_proj": (FFN, WIDTH), "mlp.up_proj": (FFN, WIDTH),
          "mlp.down_proj": (WIDTH, FFN)}


def packing_utils():
    folder = list(importlib.util.find_spec("awq").submodule_search_locations)[0]
    spec = importlib.util.spec_from_file_location("packing_utils", os.path.join(folder, "utils", "packing_utils.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def words(rng, rows, cols, low):
    """int32 [rows, cols / 8] of 4-bit values from `low` to 15."""
    values = rng.integers(low, 16, (rows, cols // 8, 8), dtype=np.uint32)
    return torch.from_numpy((values << (4 * np.arange(8, dtype=np.uint32))).sum(axis=2, dtype=np.uint32).view(np.int32))


def folders(rng, awq, group):
    """The tensors of the AWQ folder, the GPTQ folder and the plain one."""
    f32 = {"model.embed_tokens": (VOCAB, WIDTH), "lm_head": (VOCAB, WIDTH), "model.norm": (WIDTH,)}
    linear = {}
    for layer in range(LAYERS):
        block = "model.layers.%d." % layer
        f32 |= {block + "input_layernorm": (WIDTH,), block + "post_attention_layernorm": (WIDTH,)}
        linear |= {block + name: shape for name, shape in LINEAR.items()}
    same = {name + ".weight": torch.from_numpy((0.3 * rng.standard_normal(shape) + (len(shape) == 1)).astype(np.float32))
            for name, shape in f32.items()}
    packed, turned, plain = dict(same), dict(same), dict(same)
    for name, (rows, cols) in linear.items():
        codes = words(rng, cols, rows, 0)
        # AutoAWQ takes one from each zero point for GPTQ's layout, so they start at one.
        zeros = words(rng, cols // group, rows, 1)
        scales = torch.from_numpy(rng.uniform(0.005, 0.03, (cols // group, rows)).astype(np.float16))
        other_codes, other_zeros = awq.unpack_reorder_pack(codes, zeros, 4)
        packed |= {name + ".qweight": codes, name + ".qzeros": zeros, name + ".scales": scales}
        turned |= {name + ".qweight": other_codes, name + ".qzeros": other_zeros, name + ".scales": scales,
                   name + ".g_idx": torch.arange(cols, dtype=torch.int32) // group}
        decoded = awq.dequantize_gemm(codes, zeros, scales.float(), 4, group)
        plain[name + ".weight"] = decoded.T.contiguous()
    return packed, turned, plain


def logits(program, folder, tensors, quantization):
    os.makedirs(folder)
    save_file({name: value.contiguous().clone() for name, value in tensors.items()},
              os.path.join(folder, "model.safetensors"))
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(CONFIG | ({"quantization_config": quantization} if quantization else {}), f)
    ids, out = os.path.join(folder, "ids.json"), os.path.join(folder, "logits.f32")
    with open(ids, "w") as f:
        json.dump([[(7 * i * i + 3) % VOCAB for i in range(40)]], f)
    subprocess.run([program, "logits", folder, "--recipe", "as-is", "--activations", "f32", "--tokens", ids, "-o", out],
                   check=True, stdout=subprocess.DEVNULL)
    values = np.fromfile(out, "<f4")
    if not np.isfinite(values).all() or not values.any():
        sys.exit(folder + ": expected finite logits that are not all zero")
    return values


def main():
    program, awq = sys.argv[1], packing_utils()
    rng = np.random.default_rng(11)
    for group in (32, 64, 128):
        packed, turned, plain = folders(rng, awq, group)
        common = {"bits": 4, "group_size": group}
        with tempfile.TemporaryDirectory() as work:
            theirs = logits(program, os.path.join(work, "plain"), plain, None)
            for name, tensors, more in (("awq", packed, {"version": "gemm", "zero_point": True}),
                                        ("gptq", turned, {"desc_act": False, "sym": False})):
                ours = logits(program, os.path.join(work, name), tensors, common | {"quant_method": name} | more)
                if (ours != theirs).any():
                    sys.exit("group %d, %s layout: off by up to %.1e, expected the same bits"
                             % (group, name, np.abs(ours - theirs).max()))
    print("3 groups, AWQ and GPTQ layouts: the same bits as with the weights that autoawq %s decodes"
          % importlib.metadata.version("autoawq"))


main()
