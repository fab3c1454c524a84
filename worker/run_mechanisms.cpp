#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "schedule/error.h"
#include "worker/mechanism.h"
#include "worker/run_experiment.h"

namespace brinkmap::worker {

namespace {

// The stored states of one row: those of the suites' prompts behind the unit's blocks, as read.
struct StoredStates {
  std::span<const float> harmful, harmless;  // [items, blocks, width]
};

// Prompts of a suite that belong to a set, with the halves that the job's prompts are cut into: wordings of
// one question stay together.
struct PromptSet {
  std::vector<std::size_t> items;
  std::vector<std::uint8_t> half;
};

PromptSet prompts_expected(const Suite& suite, std::size_t expected) {
  PromptSet out;
  std::map<std::string, std::uint8_t> of_variant;
  std::size_t questions = 0;
  for (std::size_t i = 0; i < suite.items.size(); ++i) {
    const SuiteItem& item = suite.items[i];
    if (item.expected != expected) continue;
    auto half = static_cast<std::uint8_t>(questions % 2);
    if (item.variant.empty()) {
      ++questions;
    } else {
      const auto [known, fresh] = of_variant.emplace(item.variant, half);
      half = known->second;
      questions += fresh ? 1 : 0;
    }
    out.items.push_back(i);
    out.half.push_back(half);
  }
  return out;
}

// States of a set behind one block, of row and baseline, without the prompts that one of them lacks.
struct SetStates {
  std::vector<float> row, baseline;
  std::vector<std::uint8_t> half;
};

SetStates gather(const PromptSet& set, std::span<const float> row, std::span<const float> baseline,
                 std::size_t block, std::size_t blocks, std::size_t width) {
  SetStates out;
  for (std::size_t i = 0; i < set.items.size(); ++i) {
    const std::size_t at = (set.items[i] * blocks + block) * width;
    const auto own = row.subspan(at, width), base = baseline.subspan(at, width);
    const auto finite = [](float x) { return std::isfinite(x); };
    if (!std::all_of(own.begin(), own.end(), finite) || !std::all_of(base.begin(), base.end(), finite))
      continue;
    out.row.insert(out.row.end(), own.begin(), own.end());
    out.baseline.insert(out.baseline.end(), base.begin(), base.end());
    out.half.push_back(set.half[i]);
  }
  return out;
}

}  // namespace

void run_mechanisms(const ExperimentUnit& u, const Suite& harmless) {
  const auto width = static_cast<std::size_t>(u.width);
  const std::size_t blocks = u.unit.end - u.unit.begin;
  const bool two_suites = &harmless != &u.suite;
  const auto states = [&](std::size_t first) {
    StoredStates out{u.input<float>(first), {}};
    out.harmless = two_suites ? u.input<float>(first + 1) : out.harmful;
    if (out.harmful.size() != u.suite.items.size() * blocks * width ||
        out.harmless.size() != harmless.items.size() * blocks * width)
      throw Error(fmt::format("{}: {} and {} states do not fit {} and {} items", u.spec.id,
                              out.harmful.size(), out.harmless.size(), u.suite.items.size(),
                              harmless.items.size()));
    return out;
  };
  // The baseline's follow the row's, unless the row is the baseline.
  const std::size_t suites = two_suites ? 2 : 1;
  if (u.inputs.size() != suites && u.inputs.size() != 2 * suites)
    throw Error(
        fmt::format("{}: {} inputs, expected {} or {}", u.spec.id, u.inputs.size(), suites, 2 * suites));
  const StoredStates row = states(0);
  const StoredStates baseline = u.inputs.size() == 2 * suites ? states(suites) : row;
  const PromptSet harmful_set = prompts_expected(u.suite, 1), harmless_set = prompts_expected(harmless, 0);
  const auto number = [&](const char* what) { return u.slabs.get<double>(what); };
  const auto norm = number("norm"), cosine = number("cosine"), own = number("auc_own"),
             reference = number("auc_baseline"), inside = number("neuron_error"),
             outside = number("other_error"), ratio = number("error_ratio"), share = number("error_share"),
             overlap = number("neuron_overlap");
  const auto harmful_n = u.slabs.get<std::int32_t>("harmful_n"),
             harmless_n = u.slabs.get<std::int32_t>("harmless_n");
  for (std::size_t b = 0; b < blocks; ++b) {
    const SetStates bad = gather(harmful_set, row.harmful, baseline.harmful, b, blocks, width);
    const SetStates good = gather(harmless_set, row.harmless, baseline.harmless, b, blocks, width);
    const Mechanism m =
        mechanism({bad.row, good.row}, {bad.baseline, good.baseline}, {bad.half, good.half}, width);
    norm[b] = m.norm;
    cosine[b] = m.cosine;
    own[b] = m.auc_own;
    reference[b] = m.auc_baseline;
    inside[b] = m.neuron_error;
    outside[b] = m.other_error;
    ratio[b] = m.error_ratio;
    share[b] = m.error_share;
    overlap[b] = m.neuron_overlap;
    harmful_n[b] = static_cast<std::int32_t>(bad.half.size());
    harmless_n[b] = static_cast<std::int32_t>(good.half.size());
  }
}

}  // namespace brinkmap::worker
