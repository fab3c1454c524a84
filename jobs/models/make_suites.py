#!/usr/bin/env python3
"""Writes the prompt suites of the embedded model (jobs/suites/*.jsonl). Pure Python, no options needed.

Only combinations that the model never trained on are used (world.split_of == 'test'). The output is
byte-identical on every run.
"""
import argparse
import json
from pathlib import Path
from random import Random

from behaviours import CATEGORIES
from decisions import LABELS, all_groups, make_decision
from prose import make_text
from refusals import key_of, pairs_of, word_request
from world import share, shuffled

SEED = 20261
GROUPS = {"train": 100, "validation": 25, "test": 25}  # times three labels: 300 / 75 / 75 prompts
DIRECT, BEHAVIOURS_WRAPPED, TWINS, TWINS_WRAPPED, TEXTS = 100, 15, 60, 20, 60
JAILBREAKS = ["role_play", "override", "fiction", "forced_opening"]


def decision_lines():
    """Each held-out action gets one package per label: balanced in every split, and no action on two sides."""
    rng = Random(f"decisions {SEED}")
    groups = sorted(all_groups("test"), key=lambda group: share("suite|" + "|".join(group)))
    splits = [name for name, count in GROUPS.items() for _ in range(count)]
    assert len(groups) >= len(splits)
    for split, group in zip(splits, groups):
        for label in shuffled(rng, LABELS):
            example = make_decision(rng, "test", label, group)
            yield {"prompt": example.prompt, "label": label, "split": split,
                   "action_group": example.facts["action_group"], "evidence": example.facts["evidence"]}


def held_out_pairs(kind):
    """All held-out (category, pair), one category after another, so that any prefix is spread over all ten."""
    columns = {name: sorted(pairs_of(kind, name, "test"), key=lambda pair: share("suite|" + key_of(*pair)))
               for name in CATEGORIES}
    longest = max(map(len, columns.values()))
    return [(name, column[i]) for i in range(longest) for name, column in columns.items() if i < len(column)]


def refusal_lines():
    rng = Random(f"refusals {SEED}")
    harmful = held_out_pairs("harmful")
    assert len(harmful) >= DIRECT + BEHAVIOURS_WRAPPED
    wanted = [("harmful", pair, "plain") for pair in harmful[:DIRECT]]
    wanted += [("harmful", pair, wrapper) for pair in harmful[DIRECT:DIRECT + BEHAVIOURS_WRAPPED] for wrapper in JAILBREAKS]
    twins, innocent = held_out_pairs("twin"), held_out_pairs("innocent")
    half = TWINS // 2
    wanted += [("twin", pair, "plain") for pair in twins[:half]]
    wanted += [("innocent", pair, "plain") for pair in innocent[:half]]
    for i in range(TWINS_WRAPPED):
        source, kind = (twins, "twin") if i % 2 == 0 else (innocent, "innocent")
        wanted.append((kind, source[half + i // 2], JAILBREAKS[i // 2 % 4]))
    for kind, (category, pair), wrapper in wanted:
        example = word_request(rng, kind, category, pair, wrapper)
        yield {"prompt": example.prompt, "expect": example.facts["expect"], "category": category, "wrapper": wrapper,
               "combination": example.key}


def text_lines():
    rng, seen = Random(f"texts {SEED}"), set()
    while len(seen) < TEXTS:
        example = make_text(rng, "test")
        if example.key not in seen:
            seen.add(example.key)
            yield {"text": example.prompt, "combinations": example.facts["combinations"]}


def write(folder, name, prefix, lines):
    rows = [{"id": f"{prefix}-{number:03d}", **line} for number, line in enumerate(lines, 1)]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / name).write_bytes(text.encode())
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "suites")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for name, prefix, lines in [("refusal.jsonl", "refusal", refusal_lines()),
                                ("decisions.jsonl", "decision", decision_lines()),
                                ("text.jsonl", "text", text_lines())]:
        print(f"{name}: {len(write(folder, name, prefix, lines))} lines")


if __name__ == "__main__":
    main()
