"""Logits of tiny random models of every family: brinkmap on a Hugging Face folder against transformers in F32.

Usage: test_transformers.py BRINKMAP [MODEL...]. Exit 77 (skipped) without the packages transformers and torch.
"""

import json
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    import transformers
except (ImportError, OSError, RuntimeError) as error:
    print("skipped:", error)
    sys.exit(77)

VOCAB = 300
# Both sum in F32: a product of K terms is off by about sqrt(K) * 2^-24 of its size, and a few dozen such
# products follow one another in these models; 2^-14 of the largest logit leaves a factor of ten. Activation
# functions are computed with F32 polynomials on both sides.
TOLERANCE = 2.0**-14

COMMON = {"vocab_size": VOCAB, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3,
          "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
          "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "initializer_range": 0.15}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64, "rope_theta": 10000.0}
LONG = {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0 + 0.1 * i for i in range(8)],
        "long_factor": [2.0 + 0.5 * i for i in range(8)], "original_max_position_embeddings": 128}

# Name: class, what differs from COMMON.
MODELS = {
    "llama": ("LlamaForCausalLM", {"head_dim": 32}),
    "llama-3": ("LlamaForCausalLM", {"rope_parameters": LLAMA3, "tie_word_embeddings": True}),
    "llama-linear": ("LlamaForCausalLM",
                     {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 5000.0}}),
    "llama-biases": ("LlamaForCausalLM", {"attention_bias": True, "mlp_bias": True}),
    "mistral": ("MistralForCausalLM", {"sliding_window": 16}),
    "qwen2": ("Qwen2ForCausalLM", {"rms_norm_eps": 1e-5}),
    "qwen2-window": ("Qwen2ForCausalLM",
                     {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}),
    "qwen3": ("Qwen3ForCausalLM", {"head_dim": 32, "tie_word_embeddings": True}),
    "phi": ("PhiForCausalLM", {"num_key_value_heads": 4, "partial_rotary_factor": 0.5}),
    "phi3": ("Phi3ForCausalLM", {}),
    "phi3-window": ("Phi3ForCausalLM", {"sliding_window": 16}),
    "phi3-long": ("Phi3ForCausalLM", {"rope_parameters": LONG, "original_max_position_embeddings": 128}),
    "gemma2": ("Gemma2ForCausalLM",
               {"head_dim": 32, "query_pre_attn_scalar": 24, "sliding_window": 16,
                "attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0}),
    "gemma3": ("Gemma3ForCausalLM",
               {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 16, "num_hidden_layers": 7,
                "rope_parameters": {
                    "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                    "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}}),
    "gemma3-types": ("Gemma3ForCausalLM",
                     {"head_dim": 16, "sliding_window": 16, "query_pre_attn_scalar": 16,
                      "layer_types": ["full_attention", "sliding_attention", "full_attention"]}),
    "qwen3_5": ("Qwen3_5ForCausalLM",
                {"head_dim": 32, "num_hidden_layers": 5, "linear_num_key_heads": 2,
                 "linear_num_value_heads": 4, "linear_key_head_dim": 16, "linear_value_head_dim": 16,
                 "rope_parameters": {"rope_type": "default", "rope_theta": 1e7, "partial_rotary_factor": 0.25,
                                     "mrope_section": [2, 1, 1]}}),
}


def make(name):
    kind, more = MODELS[name]
    torch.manual_seed(7)
    model_class = getattr(transformers, kind)
    model = model_class._from_config(model_class.config_class(**{**COMMON, **more}), attn_implementation="eager")
    with torch.no_grad():
        # Norms and biases start at one and zero, where leaving them out would not be seen.
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model.float().eval()


def own_logits(program, path, sequences, folder):
    ids = os.path.join(folder, "ids.json")
    out = os.path.join(folder, "logits.f32")
    with open(ids, "w") as f:
        json.dump(sequences, f)
    subprocess.run([program, "logits", path, "--recipe", "as-is", "--activations", "f32", "--tokens", ids,
                    "-o", out], check=True, stdout=subprocess.DEVNULL)
    return np.fromfile(out, dtype="<f4").astype(np.float64).reshape(-1, VOCAB)


def main():
    program = sys.argv[1]
    names = sys.argv[2:] or list(MODELS)
    rng = np.random.default_rng(7)
    sequences = [[int(i) for i in rng.integers(3, VOCAB, n)] for n in (1, 37, 70)]
    failed, deviations = [], {}
    for name in names:
        if not hasattr(transformers, MODELS[name][0]):
            print("%-14s not in transformers %s" % (name, transformers.__version__))
            continue
        model = make(name)
        with torch.no_grad():
            theirs = np.concatenate([model(torch.tensor([s])).logits[0].double().numpy() for s in sequences])
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model")
            # Small shards, so that the index is read too.
            model.save_pretrained(path, max_shard_size="200KB")
            try:
                ours = own_logits(program, path, sequences, folder)
            except subprocess.CalledProcessError:
                failed.append(name)
                continue
        largest = np.abs(theirs).max()
        worst = np.abs(ours - theirs).max()
        deviations[name] = worst / largest
        print("%-14s largest logit %7.3f, off by at most %.2e, allowed %.2e" %
              (name, largest, worst, largest * TOLERANCE))
        if not worst <= largest * TOLERANCE:
            failed.append(name)
    if deviations:
        name = max(deviations, key=deviations.get)
        print("%d models, largest deviation %.1e of the largest logit (%s)" % (len(deviations), deviations[name], name))
    if failed:
        sys.exit("logits differ: " + ", ".join(failed))


main()
