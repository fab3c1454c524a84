#include "audit/label_sample.h"

#include <algorithm>
#include <map>
#include <utility>

namespace brinkmap::audit {
namespace {

constexpr std::uint32_t kOversampled = 2;  // times as many where scorer and judge differ

using schedule::Results;

// Prompts of a row by what the scorer says and whether a judge differs.
std::map<std::pair<std::uint8_t, bool>, std::vector<std::uint32_t>> strata_of(
    const Rater& scorer, const std::vector<Rater>& judges, std::uint32_t row) {
  std::map<std::pair<std::uint8_t, bool>, std::vector<std::uint32_t>> out;
  for (std::uint32_t i = 0; i < scorer.meaning[row].size(); ++i) {
    const std::uint8_t says = scorer.meaning[row][i];
    if (says == kUnrated) continue;
    const bool differ = std::any_of(judges.begin(), judges.end(), [&](const Rater& judge) {
      return judge.suite == scorer.suite && judge.meaning[row][i] != kUnrated &&
             judge.meaning[row][i] != says;
    });
    out[{says, differ}].push_back(i);
  }
  return out;
}

std::uint64_t draw(std::uint64_t seed, const std::string& name) { return KeyedRandom(seed, name).bits(0); }

}  // namespace

std::vector<SampledAnswer> sample_answers(const Results& results, const LabelSampling& sampling) {
  const schedule::Plan& plan = results.plan;
  const std::vector<Rater> judges = judges_of(results);
  std::vector<std::pair<std::uint64_t, SampledAnswer>> drawn;  // with their place in the shuffled order
  for (const std::uint32_t s : sampling.suites) {
    const std::string& suite = plan.job.suites.at(s).id;
    const std::vector<std::string>& ids = plan.facts.suites.at(s).ids;
    const Rater scorer = scorer_of(results, s);
    std::vector<std::uint64_t> rank;
    for (const std::string& id : ids) rank.push_back(draw(sampling.seed, "sample/" + suite + "/" + id));
    for (const std::uint32_t r : sampling.rows)
      for (auto& [stratum, prompts] : strata_of(scorer, judges, r)) {
        std::stable_sort(prompts.begin(), prompts.end(),
                         [&](std::uint32_t a, std::uint32_t b) { return rank[a] < rank[b]; });
        const std::size_t all = prompts.size();
        const std::size_t most = std::size_t{sampling.per_stratum} * (stratum.second ? kOversampled : 1);
        prompts.resize(std::min(all, most));
        for (const std::uint32_t i : prompts)
          drawn.emplace_back(
              draw(sampling.seed, "order/" + suite + "/" + plan.rows.at(r).label + "/" + ids[i]),
              SampledAnswer{s, r, i, static_cast<double>(all) / static_cast<double>(prompts.size())});
      }
  }
  std::stable_sort(drawn.begin(), drawn.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<SampledAnswer> out;
  for (const auto& [place, answer] : drawn) out.push_back(answer);
  return out;
}

}  // namespace brinkmap::audit
