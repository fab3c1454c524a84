#pragma once

#include <string>
#include <vector>

#include "schedule/judge.h"
#include "schedule/key.h"

// The keys of a judge in a job file, and the rules that join them. Internal to the job file reader.
namespace brinkmap::schedule {

// Most labels of a judge, and bytes of one.
inline constexpr std::size_t kMostLabels = 16;
inline constexpr std::size_t kLongestLabel = 64;

// The keys of experiments with those of judges behind them. Unset ones show as nothing.
std::vector<Key<ExperimentSpec>> with_judge_keys(std::vector<Key<ExperimentSpec>> keys);

// What is wrong with a judge of a suite; `key` is null when nothing is.
struct JudgeMistake {
  const char* key = nullptr;
  std::string what;
};
JudgeMistake check_judge(const JudgeSpec& judge, SuiteKind kind);

// Sets what a checked job left to the program: labels, and the question of a chat template.
void complete_judge(JudgeSpec& judge, SuiteKind kind);

}  // namespace brinkmap::schedule
