#!/usr/bin/env python3
"""Question: how long does writing a GGUF file in another format take, against llama.cpp's own quantizer on the same
file, cores and disk?

Run: peer_quantize.py BRINKMAP [--model FILE] [--threads N] [--recipes a,b] [--repeat N]
Default model: the 250M-parameter one that bench/engine_bench writes to the temporary folder. Both programs run as a user
would start them, one after the other, so reading, threads and writing count. Without llama-cpp-python only ours is timed.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

FILE_TYPES = {"q8_0": 7, "q6_k": 18, "q5_k_m": 17, "q4_k_m": 15, "q3_k_s": 11, "q2_k": 10, "iq4_nl": 25, "iq4_xs": 30}

# Run as a process of its own, so that its start counts as ours does.
PEER = """
import sys, llama_cpp as lc
p = lc.llama_model_quantize_default_params()
p.ftype, p.nthread = int(sys.argv[3]), int(sys.argv[4])
sys.exit(lc.llama_model_quantize(sys.argv[1].encode(), sys.argv[2].encode(), p))
"""


def seconds(command, repeat):
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return None, done.stderr.strip().splitlines()[-1:]
        times.append(time.perf_counter() - start)
    return statistics.median(times), None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("brinkmap")
    parser.add_argument("--model", default=os.path.join(tempfile.gettempdir(), "random-llama-250m-bf16.gguf"))
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--recipes", default=",".join(FILE_TYPES))
    parser.add_argument("--repeat", type=int, default=1)
    options = parser.parse_args()
    try:
        import llama_cpp
        print(f"llama-cpp-python {llama_cpp.__version__}, {options.threads} threads; seconds, median of {options.repeat}")
    except ImportError as error:
        llama_cpp = None
        print(f"llama-cpp-python is not installed ({error}): only ours")
    print(f"{'recipe':10}{'brinkmap':>10}{'llama.cpp':>11}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.gguf")
        for recipe in options.recipes.split(","):
            ours, why = seconds([options.brinkmap, "quantize", options.model, "--to", recipe, "-o", out, "--threads",
                                 str(options.threads)], options.repeat)
            if ours is None:
                sys.exit(f"{recipe}: {why}")
            line = f"{recipe:10}{ours:10.2f}"
            if llama_cpp:
                theirs, why = seconds([sys.executable, "-c", PEER, options.model, out, str(FILE_TYPES[recipe]),
                                       str(options.threads)], options.repeat)
                line += f"{theirs:11.2f}{theirs / ours:7.1f}x" if theirs else f"  failed: {why}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
