"""GGUF recipes against llama.cpp's own quantizer on a random llama: the same type for every tensor, the same
bytes where no search is involved, and no larger error where one is.

Usage: test_llama_quantize.py BRINKMAP. Exit 77 (skipped) without the packages gguf and llama-cpp-python.
"""

import os
import subprocess
import sys
import tempfile

try:
    import gguf
    import llama_cpp
    import numpy as np
except (ImportError, OSError, RuntimeError) as error:
    print("skipped:", error)
    sys.exit(77)

RECIPES = {"q8_0": 7, "q6_k": 18, "q5_k_m": 17, "q5_k_s": 16, "q4_k_m": 15, "q4_k_s": 14, "iq4_nl": 25,
           "iq4_xs": 30, "q3_k_m": 12, "q3_k_s": 11, "q2_k": 10}
# Rows of 32 but not of 256: llama.cpp of 2025 gives IQ4_NL where Q2_K and Q3_K do not fit, and so do we; later
# versions give Q4_0.
FALLBACKS = ("q6_k", "q5_k_m", "q4_k_m", "q4_k_s", "iq4_nl", "iq4_xs")
# Without a search, or with one whose result the order of f32 operations cannot change.
EXACT = {"F32", "F16", "BF16", "Q8_0", "Q5_0", "Q5_1"}
VOCAB = 64


def write_model(path, width, ffn, layers, heads, kv_heads):
    rng = np.random.default_rng(5)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(layers)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(ffn)
    writer.add_context_length(128)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // heads)
    writer.add_vocab_size(VOCAB)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(["<unk>", "<s>", "</s>"] + ["t%d" % i for i in range(VOCAB - 3)])
    writer.add_token_scores([-float(i) for i in range(VOCAB)])
    writer.add_token_types([2, 3, 3] + [1] * (VOCAB - 3))

    def matrix(name, rows, cols):
        # Some rows with outliers, as real weights have.
        values = rng.normal(0, 0.02, (rows, cols)) * np.where(rng.random((rows, cols)) < 0.003, 20, 1)
        writer.add_tensor(name + ".weight", values.astype(np.float32))

    kv = width // heads * kv_heads
    matrix("token_embd", VOCAB, width)
    matrix("output", VOCAB, width)
    writer.add_tensor("output_norm.weight", np.ones(width, np.float32))
    for layer in range(layers):
        block = "blk.%d." % layer
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(block + norm + ".weight", np.ones(width, np.float32))
        for name, rows, cols in (("attn_q", width, width), ("attn_k", kv, width), ("attn_v", kv, width),
                                 ("attn_output", width, width), ("ffn_gate", ffn, width),
                                 ("ffn_up", ffn, width), ("ffn_down", width, ffn)):
            matrix(block + name, rows, cols)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def tensors(path):
    return {t.name: t for t in gguf.GGUFReader(path).tensors}


def compare(program, base, recipe, folder):
    """Returns tensors with other types or larger errors, and how many bytes of searched tensors are equal."""
    ours_path, theirs_path = os.path.join(folder, "ours.gguf"), os.path.join(folder, "theirs.gguf")
    subprocess.run([program, "quantize", base, "--to", recipe, "-o", ours_path], check=True,
                   stdout=subprocess.DEVNULL)
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = RECIPES[recipe]
    params.nthread = 1
    if llama_cpp.llama_model_quantize(base.encode(), theirs_path.encode(), params) != 0:
        sys.exit("llama_model_quantize failed for " + recipe)
    wrong, equal, searched = [], 0, 0
    exact = tensors(base)
    ours, theirs = tensors(ours_path), tensors(theirs_path)
    if sorted(ours) != sorted(theirs):
        sys.exit(recipe + ": other tensors")
    for name, their in theirs.items():
        own, kind = ours[name], their.tensor_type.name
        if own.tensor_type != their.tensor_type:
            wrong.append("%s is %s for %s" % (name, own.tensor_type.name, kind))
            continue
        same = np.asarray(own.data).view(np.uint8) == np.asarray(their.data).view(np.uint8)
        if kind in EXACT:
            if not same.all():
                wrong.append("%s: %s bytes differ" % (name, kind))
            continue
        equal += int(same.sum())
        searched += same.size
        if same.all():
            continue
        truth = np.asarray(exact[name].data, dtype=np.float64)
        error = [np.square(gguf.quants.dequantize(t.data, t.tensor_type) - truth).sum() for t in (own, their)]
        if error[0] > 1.005 * error[1]:
            wrong.append("%s: error %g for %g" % (name, error[0], error[1]))
    return wrong, equal, searched


def main():
    program = sys.argv[1]

    @llama_cpp.llama_log_callback
    def quiet(level, text, data):
        pass

    llama_cpp.llama_log_set(quiet, None)
    failed, shares = False, []
    with tempfile.TemporaryDirectory() as folder:
        base = os.path.join(folder, "base.gguf")
        for shape, recipes in (((256, 512, 17, 4, 4), RECIPES), ((256, 256, 8, 8, 2), RECIPES),
                               ((288, 544, 8, 9, 3), FALLBACKS)):
            write_model(base, *shape)
            for recipe in recipes:
                wrong, equal, searched = compare(program, base, recipe, folder)
                print("width %d, %2d layers, %-6s: same types; of %7d bytes of searched blocks %.4f equal"
                      % (shape[0], shape[2], recipe, searched, equal / max(searched, 1)))
                shares.append(equal / searched if searched else 1.0)
                for line in wrong:
                    print("  " + line)
                    failed = True
    print("%d rows; at least %.4f of the bytes of searched blocks equal" % (len(shares), min(shares)))
    if failed:
        sys.exit("recipes differ from llama.cpp's")


main()
