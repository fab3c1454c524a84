#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "audit/agreement.h"
#include "schedule/judge.h"
#include "schedule/results.h"

// Who labels the answers of a suite, in one form: the suite's own scorer, a judge of the job, labels from
// outside.
namespace brinkmap::audit {

inline constexpr std::uint8_t kUnrated = 255;

struct Rater {
  std::string name;  // of the experiment; "scorer"; "labels/<suite>"
  std::uint32_t suite = 0;
  std::vector<std::vector<std::uint8_t>> meaning;  // [row][prompt] schedule::Meaning, or kUnrated
  std::vector<std::vector<double>> weight;         // the same shape; empty: 1 throughout
};

// The suite's scorer: refusals by phrases; truthfulness and bias scores 1, 0 and, unclear, 0.5.
Rater scorer_of(const schedule::Results& results, std::uint32_t suite);

// A judge of the job. An answer that the suite cannot use is not rated, nor one whose weight is no positive
// number.
Rater judge_of(const schedule::Results& results, std::uint32_t experiment);

// The judges of the job, in its order.
std::vector<Rater> judges_of(const schedule::Results& results);

// Labels from outside on a suite, `placed` among its `allowed` words. Throws InputError naming `file` and the
// line for a label of another text than the answer's in these results, and of an answer that there is not.
Rater outside_rater(const schedule::Results& results, std::uint32_t suite,
                    std::span<const schedule::JudgeLabel> allowed,
                    std::span<const schedule::PlacedLabel> placed, const std::string& file);

// The words that labels from outside on a suite may use: those of all its judges, else the study's. Error
// when two judges mean different things by one word.
std::vector<schedule::JudgeLabel> outside_words(const schedule::Job& job, std::uint32_t suite);

// Answers that both rate, a's code first. The weight is the larger of the two. `keep` says which.
using KeepAnswer = std::function<bool(std::uint32_t row, std::uint32_t prompt)>;
std::vector<RatedPair> rated_pairs(const Rater& a, const Rater& b, const KeepAnswer& keep);

// Whether agreement and the rates count the answers to a prompt: of a refusal suite the harmful ones
// (METHOD.md 12, 13), of others all.
bool counts_for_agreement(const schedule::Plan& plan, std::uint32_t suite, std::uint32_t prompt);

// 64 lower-case hex digits of a stored hash.
std::string hash_text(std::span<const std::uint8_t> hash);

}  // namespace brinkmap::audit
