"""The model's own byte-level BPE vocabulary, trained on its own text (Hugging Face `tokenizers`).

Pre-tokenizer: the GPT-2 regular expression, which GGUF names `gpt-2`. Control tokens are ids 0-4.
"""
from random import Random

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from decisions import make_decision
from prose import make_text
from refusals import make_request
from world import BOS, CONTROL_TOKENS, EOS

VOCABULARY_SIZE = 2048
# Documents of each skill in the sample the merges are learned from. All training split.
SAMPLE = [(make_decision, 4000), (make_request, 12000), (make_text, 3000)]


def _skeleton(model):
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def train_tokenizer(seed):
    rng = Random(f"vocabulary {seed}")
    sample = (make(rng).document() for make, count in SAMPLE for _ in range(count))
    tokenizer = _skeleton(models.BPE())
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY_SIZE, special_tokens=CONTROL_TOKENS, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(sample, trainer)
    return tokenizer


def from_lists(tokens, merges, control):
    """A tokenizer from what a GGUF file stores: tokens by id, merges as 'left right', control token texts."""
    ids = {token: index for index, token in enumerate(tokens)}
    tokenizer = _skeleton(models.BPE(vocab=ids, merges=[tuple(merge.split(" ")) for merge in merges]))
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return tokenizer


def to_lists(tokenizer):
    """(tokens by id, merges as 'left right'), the form GGUF stores."""
    import json
    state = json.loads(tokenizer.to_str())["model"]
    tokens = [token for token, _ in sorted(state["vocab"].items(), key=lambda item: item[1])]
    return tokens, [merge if isinstance(merge, str) else " ".join(merge) for merge in state["merges"]]


def encode(tokenizer, text, end=False):
    """Ids with BOS in front (the tokenizer's own business, not the template's) and EOS behind on demand."""
    ids = [tokenizer.token_to_id(BOS)] + tokenizer.encode(text).ids
    return ids + [tokenizer.token_to_id(EOS)] if end else ids
