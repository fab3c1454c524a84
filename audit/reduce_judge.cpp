#include <cmath>

#include "audit/rater.h"
#include "audit/reduce_experiment.h"
#include "audit/reduce_suite.h"
#include "audit/usable.h"

namespace brinkmap::audit {

void reduce_judge(schedule::Results& results, std::uint32_t experiment, std::uint32_t row) {
  const schedule::ExperimentSpec& e = results.plan.job.experiments[experiment];
  const std::string p = e.id + "_";
  const std::vector<char> done = usable_parts(results, experiment, row);
  const auto outcome = results.at<std::uint8_t>(p + "outcome", row);
  // What nobody was asked to label is no missing result.
  std::int32_t missing = 0;
  for (std::size_t i = 0; i < done.size(); ++i)
    if (done[i] == 0 || (outcome[i] != static_cast<std::uint8_t>(schedule::JudgeOutcome::kLabelled) &&
                         outcome[i] != static_cast<std::uint8_t>(schedule::JudgeOutcome::kNotLabelled)))
      ++missing;
  set(results, row, p + "missing", missing);
  const Rater judge = judge_of(results, experiment);
  const std::vector<RatedPair> pairs =
      rated_pairs(scorer_of(results, judge.suite), judge, [&](std::uint32_t r, std::uint32_t i) {
        return r == row && counts_for_agreement(results.plan, judge.suite, i);
      });
  const KeyedRandom random(results.plan.job.seed, "agreement/" + e.id);
  const Agreement a = agreement(pairs, &random);
  set(results, row, p + "pairs", static_cast<std::int32_t>(a.pairs));
  set(results, row, p + "clear_pairs", static_cast<std::int32_t>(a.clear));
  set(results, row, p + "agreement", a.agreement);
  set(results, row, p + "kappa", a.clear < 2 ? std::nan("") : a.kappa);
  set(results, row, p + "kappa_low", a.bootstrap.low);
  set(results, row, p + "kappa_high", a.bootstrap.high);
  set(results, row, p + "rate", a.rate_b);
  set(results, row, p + "scorer_rate", a.rate_a);
}

}  // namespace brinkmap::audit
