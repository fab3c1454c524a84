#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "audit/correlation.h"
#include "audit/mid_ranks.h"
#include "audit/paired_tests.h"
#include "audit/spectral_parts.h"

namespace brinkmap::audit {
namespace {

using schedule::ExperimentKind;
using schedule::Results;

constexpr std::array<const char*, 7> kFigures{"alpha",       "slope",    "k90",      "entropy",
                                              "stable_rank", "kurtosis", "nf4_error"};

std::string type_of(const std::string& module) { return module.substr(module.rfind('.') + 1); }

// Figure and cost of the matrices that have both.
struct Pairs {
  std::vector<double> x, y;
  std::vector<std::string> type;

  // Ranks within each type; pooled they correlate as Spearman's does within one.
  void rank_within() {
    for (std::vector<double>* values : {&x, &y}) {
      const std::vector<double> all = *values;
      for (const std::string& t : type) {
        std::vector<std::size_t> members;
        std::vector<double> own;
        for (std::size_t i = 0; i < type.size(); ++i)
          if (type[i] == t) {
            members.push_back(i);
            own.push_back(all[i]);
          }
        const std::vector<double> ranks = mid_ranks(own);
        for (std::size_t i = 0; i < members.size(); ++i) (*values)[members[i]] = ranks[i];
      }
    }
  }

  std::vector<std::size_t> groups() const {
    std::map<std::string, std::size_t> number;
    std::vector<std::size_t> out;
    for (const std::string& t : type) out.push_back(number.emplace(t, number.size()).first->second);
    return out;
  }
};

void correlate(Pairs pairs, Association& a) {
  a.n = static_cast<std::int64_t>(pairs.x.size());
  if (!a.within_type) {
    a.rho = spearman(pairs.x, pairs.y);
    a.p = correlation_p(a.rho, pairs.x.size());
    a.interval = fisher_interval(a.rho, static_cast<double>(a.n) - 3);
    return;
  }
  pairs.rank_within();
  const WithinGroups within = within_groups(pairs.x, pairs.y, pairs.groups());
  a.rho = within.r;
  a.p = within.p;
  a.interval = within.interval;
}

// Index of the job's first spectra experiment, or -1.
int spectra_experiment(const schedule::Job& job) {
  for (std::size_t e = 0; e < job.experiments.size(); ++e)
    if (job.experiments[e].kind == ExperimentKind::kSpectra) return static_cast<int>(e);
  return -1;
}

}  // namespace

std::vector<Association> find_associations(const Results& results,
                                           const std::vector<Sensitivity>& sensitivities) {
  std::vector<Association> out;
  const schedule::Plan& plan = results.plan;
  const int experiment = spectra_experiment(plan.job);
  if (experiment < 0) return out;
  const schedule::ExperimentSpec& spec = plan.job.experiments[static_cast<std::size_t>(experiment)];
  std::map<std::pair<std::uint32_t, std::string>, std::vector<const Sensitivity*>> groups;
  for (const Sensitivity& s : sensitivities)
    if (s.parts.by == "list") groups[{plan.rows[s.row].model, s.parts.keep}].push_back(&s);
  for (const auto& [key, members] : groups)
    for (const char* figure : kFigures) {
      const auto values =
          results.at<double>(spec.id + "_" + figure, plan.rows[members.front()->row].baseline);
      for (const bool kl : {false, true}) {
        Pairs pairs;
        for (const Sensitivity* s : members) {
          const auto at = std::find(spec.matrices.begin(), spec.matrices.end(), s->parts.of);
          if (at == spec.matrices.end()) continue;
          const double x = values[static_cast<std::size_t>(at - spec.matrices.begin())];
          const double y = (kl ? s->kl : s->loss).change;
          if (!std::isfinite(x) || !std::isfinite(y)) continue;
          pairs.x.push_back(x);
          pairs.y.push_back(y);
          pairs.type.push_back(type_of(s->parts.of));
        }
        for (const bool within : {false, true}) {
          Association& a = out.emplace_back();
          a.model = key.first;
          a.keep = key.second;
          a.figure = figure;
          a.kl = kl;
          a.within_type = within;
          correlate(pairs, a);
        }
      }
    }
  std::vector<double> p;
  for (const Association& a : out) p.push_back(a.p);
  const std::vector<double> adjusted = holm(p);
  for (std::size_t i = 0; i < out.size(); ++i) out[i].p_holm = adjusted[i];
  return out;
}

}  // namespace brinkmap::audit
