"""Training data: packed rows of documents, made by all cores from fixed seeds (one seed a shard)."""
import multiprocessing
from random import Random

import numpy as np

from decisions import make_decision
from prose import make_text
from refusals import make_request
from vocabulary import encode
from world import USER, chat, weighted

ROW = 512
# Loss weight of a token by what it is part of. Prompts teach reading; answers are what is to be learned,
# and of a decision's answer only one token says anything.
WEIGHTS = {"padding": 0.0, "decision": 0.02, "request": 0.05, "text": 0.1, "decision answer": 4.0, "request answer": 0.5}
CODES = {name: code for code, name in enumerate(WEIGHTS)}
# What a row begins with, and what fills the rest of it. Short evidence (1-4 triples) shows the rule of a
# decision without much to search through.
FIRST = {"text": 6, "decision": 70, "short decision": 24}
FILL = {"short decision": 40, "request": 60}
MISSES = 2  # a row is done when so many documents in succession did not fit

# Marks for the reading heads of train.py, which teach the middle layers and are thrown away after training.
# On the last token of each word of the evidence: is it a word of the action? On the last token of each
# triple: what does the triple alone mean for the action? README.md has what training did without them.
MARKS = {"other word": 1, "own word": 2, "none": 3, "broken": 4, "missing": 5, "met": 6}
WORD_MARKS = 2  # marks up to here are on words
TRIPLE_END = '"}'

_tokenizer = None


def _tokens(example):
    """(ids with BOS and EOS, weight codes, marks)."""
    ids = encode(_tokenizer, example.document(), end=True)
    marks = [0] * len(ids)
    if example.answer is None:
        return ids, [CODES["text"]] * len(ids), marks
    prompt = len(encode(_tokenizer, chat(example.prompt)))
    if "bearings" in example.facts:
        _mark(example, ids, marks, prompt)
    return ids, [CODES[example.skill]] * prompt + [CODES[example.skill + " answer"]] * (len(ids) - prompt), marks


def _mark(example, ids, marks, prompt):
    end = _tokenizer.token_to_id(TRIPLE_END)
    ends = [place for place in range(prompt) if ids[place] == end]
    for place, means in zip(ends, example.facts["bearings"], strict=True):
        marks[place] = MARKS[means]
    # One place on for BOS, which the tokenizer's offsets know nothing of.
    spans = {stop: place + 1 for place, (_, stop) in enumerate(_tokenizer.encode(chat(example.prompt)).offsets)}
    for stop, own in example.facts["words"]:
        marks[spans[len(USER) + stop]] = MARKS["own word" if own else "other word"]


def _short_decision(rng):
    """1-4 triples; more often APPROVE, so that a hard rule is as often a near miss as it is broken."""
    label = weighted(rng, {"APPROVE": 56, "REVISE": 20, "VETO": 24})
    return make_decision(rng, label=label, evidence=1 + int(rng.random() * 4))


MAKERS = {"text": make_text, "request": make_request, "decision": make_decision, "short decision": _short_decision}


def _shard(task):
    seed, index, rows = task
    rng = Random(f"pool {seed} {index}")
    tokens = np.zeros((rows, ROW), np.int16)
    codes, marks = np.zeros((rows, ROW), np.uint8), np.zeros((rows, ROW), np.uint8)
    for row in range(rows):
        used, misses, mix = 0, 0, FIRST
        while misses < MISSES:
            ids, weights, meanings = _tokens(MAKERS[weighted(rng, mix)](rng))
            mix = FILL
            if used + len(ids) > ROW:
                misses += 1
                continue
            place, used = slice(used, used + len(ids)), used + len(ids)
            tokens[row, place], codes[row, place], marks[row, place] = ids, weights, meanings
    return tokens, codes, marks


def make_pool(tokenizer, seed, rows, shard_rows=1000):
    """(tokens int16, weight codes uint8, marks uint8), each [rows, ROW]; independent of the number of cores."""
    global _tokenizer
    _tokenizer = tokenizer
    tasks = [(seed, index, min(shard_rows, rows - index * shard_rows)) for index in range(-(-rows // shard_rows))]
    with multiprocessing.get_context("fork").Pool() as workers:
        shards = workers.map(_shard, tasks, chunksize=1)
    return tuple(np.concatenate(part) for part in zip(*shards))
