#!/usr/bin/env python3
"""Question: how fast is llama.cpp on the files and tasks of bench/engine_bench.cpp, at each of its settings?

Run: peer_llama_cpp.py [--dir FOLDER] [--threads N] [--recipes a,b] [--repeat N] [--quick]
Needs llama-cpp-python; says so and exits 0 where it is not installed. The model files are those engine_bench wrote.

--cpu-time counts processor seconds per thread, for a busy machine; honest with one thread only, since llama.cpp's threads
spin while they wait.

Tasks: one prompt of 512 tokens; 64 different prompts of 128 tokens, then 64 greedy tokens each, all sequences together.
Settings: flash attention off and on; one cache for all sequences or one each (kv_unified), where the version has it.
"""

import argparse
import ctypes
import itertools
import os
import statistics
import sys
import tempfile
import time

try:
    import llama_cpp as lc
except ImportError as error:
    print(f"llama-cpp-python is not installed ({error}); nothing compared")
    sys.exit(0)

SEQUENCES, PROMPT, NEW, PREFILL = 64, 128, 64, 512


def open_context(model, threads, sequences, tokens, flash, unified):
    params = lc.llama_context_default_params()
    fields = {name for name, _ in params._fields_}
    params.n_ctx = tokens
    params.n_batch = 2048
    params.n_ubatch = 512
    params.n_threads = params.n_threads_batch = threads
    if "n_seq_max" in fields:
        params.n_seq_max = sequences
    if "flash_attn_type" in fields:
        params.flash_attn_type = 1 if flash else 0
    else:
        params.flash_attn = flash
    if "kv_unified" in fields:
        params.kv_unified = unified
    context = lc.llama_init_from_model(model, params)
    if not context:
        raise RuntimeError("llama.cpp made no context")
    return context


def clear(context):
    if hasattr(lc, "llama_get_memory"):
        lc.llama_memory_clear(lc.llama_get_memory(context), True)
    else:
        lc.llama_kv_cache_clear(context)


def decode(context, batch, rows):
    """rows: (token, position, sequence, wants logits)"""
    batch.n_tokens = len(rows)
    for i, (token, position, sequence, logits) in enumerate(rows):
        batch.token[i] = token
        batch.pos[i] = position
        batch.n_seq_id[i] = 1
        batch.seq_id[i][0] = sequence
        batch.logits[i] = logits
    if lc.llama_decode(context, batch) != 0:
        raise RuntimeError("llama_decode failed")


def greedy(context, index, vocab):
    logits = lc.llama_get_logits_ith(context, index)
    try:
        import numpy

        return int(numpy.ctypeslib.as_array(logits, shape=(vocab,)).argmax())
    except ImportError:
        values = (ctypes.c_float * vocab).from_address(ctypes.addressof(logits.contents))
        return max(range(vocab), key=values.__getitem__)


def prompt(seed, length):
    # Which tokens they are changes nothing in the work.
    return [3 + (seed * 7919 + t * 104729) % 31997 for t in range(length)]


def prefill(context, batch, now):
    clear(context)
    start = now()
    ids = prompt(1, PREFILL)
    decode(context, batch, [(t, i, 0, i == PREFILL - 1) for i, t in enumerate(ids)])
    lc.llama_get_logits_ith(context, PREFILL - 1)
    return PREFILL / (now() - start)


def many(context, batch, vocab, now):
    clear(context)
    start = now()
    last = [0] * SEQUENCES
    group = 2048 // PROMPT
    for first in range(0, SEQUENCES, group):
        rows = []
        for s in range(first, first + group):
            rows += [(t, i, s, i == PROMPT - 1) for i, t in enumerate(prompt(s, PROMPT))]
        decode(context, batch, rows)
        for s in range(first, first + group):
            last[s] = greedy(context, (s - first + 1) * PROMPT - 1, vocab)
    for step in range(NEW - 1):  # the last token is not fed, as in the engine
        decode(context, batch, [(last[s], PROMPT + step, s, True) for s in range(SEQUENCES)])
        last = [greedy(context, s, vocab) for s in range(SEQUENCES)]
    return SEQUENCES * (PROMPT + NEW) / (now() - start)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", default=tempfile.gettempdir())
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--recipes", default="bf16,q8_0,q4_k_m,q2_k")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--quick", action="store_true", help="only flash attention on, one cache a sequence")
    options = parser.parse_args()

    now = (lambda: time.process_time() / options.threads) if options.cpu_time else time.perf_counter

    lc.llama_backend_init()
    quiet = lc.llama_log_callback(lambda level, text, data: None)
    lc.llama_log_set(quiet, ctypes.c_void_p(0))
    print(f"llama-cpp-python {lc.__version__}, {options.threads} threads; tokens/s, median (best)")
    batch = lc.llama_batch_init(2048, 0, 1)
    settings = [(True, False)] if options.quick else list(itertools.product((False, True), (True, False)))
    for recipe in options.recipes.split(","):
        path = os.path.join(options.dir, f"random-llama-250m-{recipe}.gguf")
        model = lc.llama_model_load_from_file(path.encode(), lc.llama_model_default_params())
        if not model:
            print(f"{recipe}: llama.cpp cannot read {path}; run engine_bench first")
            continue
        vocab = lc.llama_vocab_n_tokens(lc.llama_model_get_vocab(model))
        for flash, unified in settings:
            name = f"flash={'on' if flash else 'off'} cache={'shared' if unified else 'own'}"
            context = open_context(model, options.threads, 1, 1024, flash, unified)
            prefill(context, batch, now)
            one = [prefill(context, batch, now) for _ in range(options.repeat)]
            lc.llama_free(context)
            context = open_context(model, options.threads, SEQUENCES, SEQUENCES * 256, flash, unified)
            all_of = [many(context, batch, vocab, now) for _ in range(options.repeat)]
            lc.llama_free(context)
            print(
                f"{recipe:8} {name:26} prefill 512: {statistics.median(one):6.0f} ({max(one):6.0f})"
                f"   64 x (128 + 64): {statistics.median(all_of):6.0f} ({max(all_of):6.0f})",
                flush=True,
            )
        lc.llama_model_free(model)


main()
