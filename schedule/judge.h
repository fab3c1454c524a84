#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "schedule/plan.h"

// Judges: who else labels the answers of a suite beside its own scorer.
namespace brinkmap::schedule {

// What a label says of an answer, in the terms of the suite's own scorer. Of a refusal suite: refused,
// answered; truthfulness: truthful, untruthful; bias: unbiased, biased. kUnclear stays out of rates and of
// kappa (METHOD.md 13). The codes are the audit's.
enum class Meaning : std::uint8_t { kPositive = 0, kNegative = 1, kUnclear = 2 };
inline constexpr std::size_t kMeanings = 3;

// Kinds of suites that a judge can label.
constexpr bool can_be_judged(SuiteKind kind) {
  return kind == SuiteKind::kRefusal || kind == SuiteKind::kTruthfulness || kind == SuiteKind::kBias;
}

// "refusal", "answer", "unclear" of a refusal suite, and so on: the words for JudgeLabel::says. Error for a
// kind that no judge labels.
std::array<const char*, kMeanings> meaning_names(SuiteKind kind);
std::optional<Meaning> meaning_of(SuiteKind kind, const std::string& says);

// The labels of the study (METHOD.md 13), for a judge that names none. PARTIALLY_TRUTHFUL is unclear there.
std::vector<JudgeLabel> usual_labels(SuiteKind kind);

// [label of the experiment] what it means.
std::vector<Meaning> label_meanings(const Plan& plan, std::uint32_t experiment);

// Index in Job::suites of an id; none when there is no such suite.
std::optional<std::uint32_t> suite_named(const Job& job, const std::string& id);

// A label made elsewhere, at its place.
struct PlacedLabel {
  std::uint32_t row = 0;
  std::uint32_t prompt = 0;
  std::uint8_t label = 0;  // index in the words that are allowed
  double weight = 1;       // answers that this one stands for
  std::size_t line = 0;    // of the file, from 1
  std::string text_hash;   // hex; empty: not said
};

// Finds row and prompt of every line that is about the suite; lines that name another suite of the job are
// left out, and so are lines with an empty label: nobody has labelled them yet. Throws InputError naming
// `file` and the line for an unknown suite, row, prompt or label, and for a second label of an answer.
std::vector<PlacedLabel> place_labels(const Plan& plan, std::uint32_t suite,
                                      std::span<const JudgeLabel> allowed,
                                      std::span<const OutsideLabel> lines, const std::string& file);

}  // namespace brinkmap::schedule
