"""Logits of tiny random models of every family: brinkmap against llama.cpp, all weights and arithmetic F32.

Usage: test_llama_cpp.py BRINKMAP [FAMILY...]. Exit 77 (skipped) without the packages gguf and
llama-cpp-python.
"""

import json
import os
import subprocess
import sys
import tempfile

try:
    import gguf  # noqa: F401
    import llama_cpp
    import numpy as np
except (ImportError, OSError, RuntimeError) as error:
    print("skipped:", error)
    sys.exit(77)

import tiny_gguf

# Both sum in F32: a product of K terms is off by about sqrt(K) * 2^-24 of its size, and a few dozen such
# products follow one another in these models; 2^-14 of the largest logit leaves a factor of ten. llama.cpp
# takes GELU from a table of F16 values (off by 2^-11 of each), which the same chain of layers carries on.
TOLERANCE = 2.0**-14
TOLERANCE_GELU = 2.0**-9
GELU = ("phi2", "gemma2", "gemma3")


def peer_logits(path, sequences):
    model = llama_cpp.Llama(path, n_ctx=tiny_gguf.CONTEXT, n_batch=tiny_gguf.CONTEXT, logits_all=True,
                            n_threads=1, n_threads_batch=1, type_k=0, type_v=0, flash_attn=False,
                            verbose=False)
    rows = []
    for ids in sequences:
        model.reset()
        if model._ctx is not None:
            model._ctx.kv_cache_clear()
        model.eval(ids)
        rows.append(np.array(model.scores[:len(ids)], dtype=np.float64))
    return np.concatenate(rows)


def own_logits(program, path, sequences, folder):
    ids = os.path.join(folder, "ids.json")
    out = os.path.join(folder, "logits.f32")
    with open(ids, "w") as f:
        json.dump(sequences, f)
    subprocess.run([program, "logits", path, "--recipe", "as-is", "--activations", "f32", "--tokens", ids, "-o", out],
                   check=True, stdout=subprocess.DEVNULL)
    return np.fromfile(out, dtype="<f4").astype(np.float64).reshape(-1, tiny_gguf.VOCAB)


def main():
    program = sys.argv[1]
    names = sys.argv[2:] or list(tiny_gguf.FAMILIES)
    rng = np.random.default_rng(7)
    sequences = [[int(i) for i in rng.integers(3, tiny_gguf.VOCAB, n)] for n in (1, 37, 70)]
    failed, deviations = [], {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, name + ".gguf")
            tiny_gguf.write(name, path)
            ours = own_logits(program, path, sequences, folder)
            theirs = peer_logits(path, sequences)
        largest = np.abs(theirs).max()
        worst = np.abs(ours - theirs).max()
        deviations[name] = worst / largest
        bound = largest * (TOLERANCE_GELU if name in GELU else TOLERANCE)
        print("%-14s largest logit %7.3f, off by at most %.2e, allowed %.2e" % (name, largest, worst, bound))
        if not worst <= bound:
            failed.append(name)
    if deviations:
        name = max(deviations, key=deviations.get)
        print("%d models, largest deviation %.1e of the largest logit (%s)" % (len(deviations), deviations[name], name))
    if failed:
        sys.exit("logits differ: " + ", ".join(failed))


main()
