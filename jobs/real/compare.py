"""Greedy text of two real models, each as it stands: brinkmap against llama.cpp, 32 tokens after 20 prompts.

Usage: compare.py BRINKMAP [FOLDER [MODEL...]]. FOLDER is what jobs/real/install filled (default build/real). Exit 0:
every text is equal or parts at a near-tie; 1: one does not; 77 (skipped): no llama_cpp or no models.

Near-tie. Both engines round the activations of a quantized product to int8, and sum in different orders, so that some
roundings fall the other way. The size of that noise is measured where the texts part: sigma is the root mean square,
over the vocabulary, of our logits with int8 activations less those with f32 activations (mean removed). A margin of two
logits then has noise of sqrt(2) sigma in one engine, and the two engines' margins differ by 2 sigma if their
roundings have nothing in common. The texts may part where, in each engine, the token it took leads the token that the
other took by less than twice that, 4 sigma. Sigma itself must stay below 10 % of the logits' spread, or the test would
pass anything.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import llama_cpp
    import numpy as np
except (ImportError, OSError, RuntimeError) as error:
    print("skipped:", error)
    sys.exit(77)

NEW_TOKENS = 32
NEAR_TIE = 4.0  # sigmas
MOST_NOISE = 0.1  # sigma / spread of the logits

CHATML = "<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
GEMMA = "<start_of_turn>user\n{prompt}<end_of_turn>\n<start_of_turn>model\n"
MODELS = {  # file: template of the second half of the prompts
    "smollm2-135m-instruct-q4_1.gguf": CHATML,
    "gemma-3-270m-q4_k_m.gguf": GEMMA,
}

PLAIN = [
    "The harbour was quiet when the last boat",
    "Water boils at a lower temperature on a mountain because",
    "Three things to pack for a rainy hike:",
    "def count_vowels(text):\n",
    "In 1969 two astronauts",
    "The opposite of hot is",
    "Dear neighbour, thank you for",
    "1, 2, 4, 8, 16,",
    "Les trois couleurs du drapeau sont",
    "A haiku about snow:\n",
]
CHAT = [
    "Name two uses for an old newspaper.",
    "What is the capital of Portugal?",
    "Explain in one sentence why leaves are green.",
    "Write a short greeting for a birthday card.",
    "How many minutes are in three hours?",
    "Which is heavier, a litre of water or a litre of oil?",
    "Give me a rhyme for 'light'.",
    "Translate 'good morning' into Spanish.",
    "Summarise: The train was late, so we walked home.",
    "What should I check before a long bicycle ride?",
]


class Ours:
    def __init__(self, program, path):
        self.program, self.path = program, str(path)

    def generate(self, template, prompt):
        out = subprocess.run(
            [self.program, "generate", self.path, "--template", template, "-p", prompt, "--max-new-tokens", str(NEW_TOKENS),
             "--threads", "1", "--json"], check=True, capture_output=True)
        return json.loads(out.stdout)

    def last_logits(self, tokens, activations):
        with tempfile.TemporaryDirectory() as folder:
            ids, out = os.path.join(folder, "ids.json"), os.path.join(folder, "logits.f32")
            Path(ids).write_text(json.dumps(tokens))
            subprocess.run([self.program, "logits", self.path, "--activations", activations, "--threads", "1", "--tokens",
                            ids, "-o", out],
                           check=True, stdout=subprocess.DEVNULL)
            return np.fromfile(out, dtype="<f4").reshape(len(tokens), -1)[-1].astype(np.float64)


class Theirs:
    def __init__(self, path):
        # Keys and values in F32, as ours are. One thread: several wait for one another at every product, which takes
        # long where other programs share the cores.
        self.model = llama_cpp.Llama(str(path), n_ctx=256, n_batch=256, n_threads=1, n_threads_batch=1,
                                     logits_all=True, type_k=0, type_v=0, flash_attn=False, verbose=False)
        self.vocab = llama_cpp.llama_model_get_vocab(self.model.model)

    def tokenize(self, text):
        return self.model.tokenize(text.encode(), add_bos=True, special=True)

    def _last(self):
        return np.array(self.model.scores[self.model.n_tokens - 1], dtype=np.float64)

    def generate(self, prompt):
        self.model.reset()
        self.model.eval(prompt)
        tokens, logits = [], []
        while len(tokens) < NEW_TOKENS:
            logits.append(self._last())
            token = int(np.argmax(logits[-1]))
            if llama_cpp.llama_vocab_is_eog(self.vocab, token):
                break
            tokens.append(token)
            if len(tokens) < NEW_TOKENS:
                self.model.eval([token])
        return tokens, logits

    def show(self, token):
        return repr(self.model.detokenize([token], special=True).decode(errors="replace"))


def explain(ours, theirs, prompt, mine, yours, their_logits):
    """Why two texts part; true when at a near-tie."""
    at = next((i for i, (a, b) in enumerate(zip(mine, yours)) if a != b), min(len(mine), len(yours)))
    if at >= len(their_logits):
        print("    ours goes on where the other ended at its limit")
        return False
    q8 = ours.last_logits(prompt + mine[:at], "q8")
    noise = q8 - ours.last_logits(prompt + mine[:at], "f32")
    sigma = float(np.std(noise))
    bound = NEAR_TIE * sigma
    fine = sigma <= MOST_NOISE * float(np.std(q8))
    choices = int(np.argmax(q8)), int(np.argmax(their_logits[at]))
    for name, logits, took, other in (("ours", q8, *choices), ("llama.cpp", their_logits[at], *reversed(choices))):
        first, second = (int(i) for i in np.argsort(-logits)[:2])
        lead = logits[took] - logits[other]
        fine = fine and lead <= bound
        print("    token %2d, %-9s  %s %.4f, %s %.4f; leads %s by %.4f, allowed %.4f" %
              (at, name, theirs.show(first), logits[first], theirs.show(second), logits[second], theirs.show(other), lead,
               bound))
    return fine


def compare(program, path, chat_template):
    ours, theirs = Ours(program, path), Theirs(path)
    equal, ties, failed = 0, 0, 0
    for template, prompt in [("{prompt}", p) for p in PLAIN] + [(chat_template, p) for p in CHAT]:
        answer = ours.generate(template, prompt)
        tokens = theirs.tokenize(template.replace("{prompt}", prompt))
        if tokens != answer["prompt_tokens"]:
            failed += 1
            print("  FAILED %r: prompt tokens differ: %s, llama.cpp %s" % (prompt, answer["prompt_tokens"], tokens))
            continue
        mine = answer["tokens"]
        yours, logits = theirs.generate(tokens)
        if mine == yours:
            equal += 1
            continue
        print("  %r parts:" % prompt)
        if explain(ours, theirs, tokens, mine, yours, logits):
            ties += 1
        else:
            failed += 1
            print("    FAILED: no near-tie")
    print("%s: %d texts equal, %d part at a near-tie, %d failed" % (path.name, equal, ties, failed))
    return failed == 0


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).resolve().parents[2] / "build" / "real"
    names = sys.argv[3:] or list(MODELS)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        print("skipped: %s: no %s; run jobs/real/install" % (folder, ", ".join(missing)))
        sys.exit(77)
    results = [compare(sys.argv[1], folder / name, MODELS[name]) for name in names]
    sys.exit(0 if all(results) else 1)


main()
