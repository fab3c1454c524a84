"""Token ids of Hugging Face folders: brinkmap against the `tokenizers` library, on tokenizers trained here.

Usage: test_hf_tokenizers.py BRINKMAP [FOLDER...]. Exit 77 (skipped) without the package tokenizers. FOLDER: further
folders with a tokenizer.json. BRINKMAP_TOKENIZE_FOLDER: the program built from tokenize_folder.cpp.
"""

import json
import os
import random
import subprocess
import sys
import tempfile

try:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
except ImportError as error:
    print("skipped:", error)
    sys.exit(77)

SPACE = "\u2581"
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
QWEN35 = QWEN2.replace(r"?\p{L}+", r"?[\p{L}\p{M}]+").replace(r"[^\s\p{L}\p{N}]+", r"[^\s\p{L}\p{M}\p{N}]+")

WORDS = ("the quick brown fox jumps over a lazy dog and then it's don't I'LL WE'VE 2024 123456 3.14 foo_bar "
         "na\u00efve caf\u00e9 \u4e16\u754c \u043f\u0440\u0438\u0432\u0435\u0442 \u0928\u092e\u0938\u094d\u0924\u0947 "
         "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \U0001f642\U0001f3fd aaaa aaaaaaaa ababab (x) {y} [z] -> == !== </s> "
         "def f(x): return x+1 http://a.b/c?d=e").split(" ")

NASTY = ["", " ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", " \n \t \n", "a", " a", "a ", "  a  b   c ", "\u00a0x\u00a0",
         "\u2003x\u3000y", "\u180ex", "\u0085", "\u200b", "x\u200dx", "\u2581", "\u2581\u2581a \u2581", "<0x41>", "<0xFF>",
         "caf\u00e9 cafe\u0301 \u1e9b\u0323", "\u1100\u1161\u11a8", "\uac01", "\u0301a", "a\u0301\u0323", "\u2126\u212b",
         "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\ufeffx", "\x00a\x01", "\ufffd", "\u00ad",
         "don't DON'T 'S 's 'ſ it'LL'd", "123456789 12 1 \u0967\u0968 \u00bd \u2167 \u00b2", "a1b22c333", "!!!???...", "--- ===",
         "x" * 300, " " * 40, "\n" * 20, "ab" * 100, "a\tb\t\tc", "line\n\n  next\r\n\r\nend  ", "{\"a\": [1, 2]}\n",
         "<s>hi</s>", "<s> hi </s> there", "<s><s>", "<unk>x", "<|im_start|>user\nhi<|im_end|>\n", "<|im_start|>  <|im_end|>\u00a0 x",
         "a<tool>b", "<tool> <tool>", "<tool", "  <tool>  ", "<sub><subway>", "<subway", "\u0928\u093f", "\u0e01\u0e33", "\u01c5\u02bcx"]


def texts():
    rng = random.Random(5)
    pieces = WORDS + NASTY + [" ", "  ", "\n", "\u0301", "\u2581", "1", "'", "\u00e9"]
    out = list(NASTY)
    for _ in range(400):
        out.append("".join(rng.choice(pieces) + rng.choice(["", "", " ", "\n"]) for _ in range(rng.randint(1, 8))))
    return out


def corpus():
    rng = random.Random(3)
    return [" ".join(rng.choice(WORDS) for _ in range(12)) for _ in range(400)] + ["a  b   c    d\n\n\te"] * 20


def byte_level(pre, normalizer=None, ignore_merges=False):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def split(regex):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(regex), "isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def sentencepiece(normalizer, pre=None):
    """Trained on words that begin with U+2581, as SentencePiece does; merges over spaces too."""
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    trained.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=900, special_tokens=special, limit_alphabet=60,
                                                              show_progress=False))
    state = json.loads(trained.to_str())["model"]
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in state["merges"]]
    # Every way to put a token together is a merge, as in files made from a SentencePiece model: ranks of different
    # ways then differ.
    rank = {}
    for i, (a, b) in enumerate(merges):
        rank.setdefault(a + b, i)
    every = []
    for piece, i in rank.items():
        ways = [(piece[:k], piece[k:]) for k in range(1, len(piece)) if piece[:k] in state["vocab"] and piece[k:] in state["vocab"]]
        every += [(i, state["vocab"][a], state["vocab"][b], a, b) for a, b in ways]
    merges = [(a, b) for _, _, _, a, b in sorted(every)]
    tokenizer = Tokenizer(models.BPE(vocab=state["vocab"], merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre is not None:
        tokenizer.pre_tokenizer = pre
    return tokenizer


def bos(tokenizer, token):
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{token} $A", pair=f"{token} $A {token} $B", special_tokens=[(token, tokenizer.token_to_id(token))])


def specials(tokenizer, names, **flags):
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, **flags) for name in names])


def tools(tokenizer, **flags):
    tokenizer.add_tokens([AddedToken(name, special=False, **flags) for name in ("<tool>", "<sub>", "<subway>")])


def tokenizers_of_each_kind():
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False)
    gpt2 = byte_level(plain)
    gpt2.add_special_tokens(["<|endoftext|>"])
    yield "gpt-2", gpt2
    phi2 = byte_level(plain)
    phi2.add_tokens([AddedToken(" " * n, normalized=True) for n in range(31, 1, -1)] +
                    [AddedToken("\t" * n, normalized=True) for n in range(9, 1, -1)])
    tools(phi2, normalized=True)
    yield "phi-2", phi2
    smollm = byte_level(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), plain]))
    specials(smollm, ["<|im_start|>", "<|im_end|>"])
    yield "smollm", smollm
    for ignore in (True, False):
        llama3 = byte_level(split(LLAMA3), ignore_merges=ignore)
        specials(llama3, ["<s>", "</s>", "<|im_start|>", "<|im_end|>"])
        bos(llama3, "<s>")
        yield f"llama-3{'' if ignore else ' merging whole words'}", llama3
    for name, regex in (("qwen2", QWEN2), ("qwen3.5", QWEN35)):
        qwen = byte_level(split(regex), normalizers.NFC())
        specials(qwen, ["<|im_start|>", "<|im_end|>"])
        tools(qwen, normalized=False)
        yield name, qwen
    prepend = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    llama2 = sentencepiece(prepend)
    specials(llama2, ["<unk>", "<s>", "</s>"])
    bos(llama2, "<s>")
    yield "llama-2", llama2
    phi3 = sentencepiece(prepend)
    specials(phi3, ["<unk>", "<s>"])
    specials(phi3, ["<|im_start|>", "<|im_end|>"], rstrip=True)
    phi3.add_tokens([AddedToken("</s>", special=False, normalized=False, rstrip=True)])
    tools(phi3, normalized=False)
    yield "phi-3", phi3
    for scheme in ("first", "always", "never"):
        mistral = sentencepiece(None, pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme=scheme, split=False))
        specials(mistral, ["<unk>", "<s>", "</s>", "<|im_start|>"])
        bos(mistral, "<s>")
        yield f"mistral, space {scheme}", mistral
    gemma = sentencepiece(normalizers.Replace(" ", SPACE), pre_tokenizers.Split(" ", "merged_with_previous"))
    specials(gemma, ["<unk>", "<s>", "</s>"])
    gemma.add_tokens([AddedToken(text, normalized=False) for text in ("\n\n", "\n\n\n", SPACE * 2, SPACE * 3)])
    tools(gemma, normalized=False)
    bos(gemma, "<s>")
    yield "gemma", gemma


def compare(name, tokenizer, folder, program):
    strings = texts()
    ran = subprocess.run([program, folder], input=json.dumps(strings).encode(), stdout=subprocess.PIPE, check=True)
    own = json.loads(ran.stdout)
    if "error" in own:
        print(f"{name}: {own['error']}")
        return 1
    failed = 0
    for i, text in enumerate(strings):
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        special = tokenizer.encode(text, add_special_tokens=True).ids
        if own["plain"][i] != plain or own["special"][i] != special:
            failed += 1
            if failed <= 3:
                print(f"{name}: {text!r}\n  tokenizers: {plain}\n  brinkmap:   {own['plain'][i]}")
    print(f"{name}: {len(strings)} texts, {failed} differ")
    return 1 if failed else 0


def main():
    program = os.environ.get("BRINKMAP_TOKENIZE_FOLDER")
    if program is None:
        print("skipped: BRINKMAP_TOKENIZE_FOLDER is not set")
        return 77
    compared, failed = 0, 0
    for name, tokenizer in tokenizers_of_each_kind():
        with tempfile.TemporaryDirectory() as folder:
            tokenizer.save(os.path.join(folder, "tokenizer.json"))
            failed += compare(name, tokenizer, folder, program)
            compared += 1
    for folder in sys.argv[2:]:
        failed += compare(folder, Tokenizer.from_file(os.path.join(folder, "tokenizer.json")), folder, program)
        compared += 1
    print(f"{compared} tokenizers, {failed} with texts whose ids differ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
