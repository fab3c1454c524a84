#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "audit/approvals.h"
#include "schedule/results.h"

// The reduction of one suite on one row, by kind. Internal to audit/reduce.h, which says what is computed.
namespace brinkmap::audit {

// The part of a result that is reduced: `usable` says of every prompt whether it has a result.
struct SuiteRow {
  schedule::Results& results;
  std::uint32_t suite = 0;
  std::uint32_t row = 0;
  const std::vector<char>& usable;

  const schedule::SuiteSpec& spec() const { return results.plan.job.suites[suite]; }
  const schedule::SuiteFacts& facts() const { return results.plan.facts.suites[suite]; }
  std::string name(const std::string& what) const { return spec().id + "_" + what; }
  template <class T>
  std::span<const T> at(const std::string& what) const {
    return results.at<T>(name(what), row);
  }
};

// Sets a row variable. Throws Error when there is none or the type is another.
template <class T>
void set(schedule::Results& results, std::uint32_t row, const std::string& name,
         const std::vector<T>& values) {
  const auto array = results.arrays.find(name);
  if (array == results.arrays.end()) throw Error("the results hold no variable " + name);
  if (array->second.dtype != schedule::dtype_of<T>()) throw Error("variable " + name + " has another type");
  results.set_row(name, row, std::as_bytes(std::span(values)));
}

template <class T>
void set(schedule::Results& results, std::uint32_t row, const std::string& name, T value) {
  set(results, row, name, std::vector<T>{value});
}

template <class T>
void set(const SuiteRow& s, const std::string& what, const T& value) {
  set(s.results, s.row, s.name(what), value);
}

// k / n, NaN for n = 0.
double share(std::int64_t k, std::int64_t n);

void reduce_refusal(const SuiteRow& s);
void reduce_decision(const SuiteRow& s);
// VETO -> APPROVE on the balanced items and against the baseline (reduce_approvals.cpp).
void reduce_approvals(const SuiteRow& s);
// Sets the variables of one pair: "<p>approvals_gained", "_lost", "<p>p_approvals".
void set_pair(schedule::Results& results, std::uint32_t row, const std::string& p,
              const PairedApprovals& pair);
void reduce_perplexity(const SuiteRow& s);
void reduce_score(const SuiteRow& s);  // truthfulness, bias
void reduce_choice(const SuiteRow& s);
void reduce_quality(const SuiteRow& s);
// What all kinds that generate have.
void reduce_answers(const SuiteRow& s);

}  // namespace brinkmap::audit
