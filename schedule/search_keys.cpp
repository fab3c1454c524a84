#include <algorithm>

#include "schedule/job_keys.h"
#include "schedule/search_plan.h"

namespace brinkmap::schedule {
namespace {

constexpr std::size_t kMostFormats = 16;
constexpr double kMostBytes = 0x1p50;

Key<SearchSpec> formats_key() {
  return {
      "formats",
      Need::kRequired,
      Role::kValue,
      "list of recipe names",
      "recipes that a piece of the model may have besides the baseline's",
      [](const Place& p, const YAML::Node& n, SearchSpec& out) {
        if (!n.IsSequence() || n.size() == 0)
          p.fail(n, "expected a list of at least one recipe, found " + (n.IsSequence() ? "none" : quoted(n)));
        if (n.size() > kMostFormats)
          p.fail(n, "expected at most " + std::to_string(kMostFormats) + " recipes, found " +
                        std::to_string(n.size()));
        for (std::size_t i = 0; i < n.size(); ++i) {
          const std::string name = read_id(p.item(i), n[i]);
          if (std::find(out.formats.begin(), out.formats.end(), name) != out.formats.end())
            p.fail(n[i], "recipe '" + name + "' is given twice");
          out.formats.push_back(name);
        }
      },
      [](const SearchSpec&) { return std::string(); }};
}

}  // namespace

const std::vector<Key<SearchSpec>>& search_keys() {
  static const std::vector<Key<SearchSpec>> keys{
      formats_key(),
      choice_key("of", &SearchSpec::of,
                 {{"module", SearchOf::kModule}, {"type", SearchOf::kType}, {"block", SearchOf::kBlock}},
                 "pieces that get one format each: every matrix, every type of matrix over all blocks, "
                 "every block"),
      number_key("budget", &SearchSpec::budget, 0, kMostBytes,
                 "most bytes of the model; up to 1: share of its baseline's bytes; 0: no limit"),
      integer_key("candidates", &SearchSpec::candidates, 2, 64,
                  "mixtures judged in each round but the first, which judges the models' own "
                  "recipes and the smallest mixture"),
      integer_key("rounds", &SearchSpec::rounds, 1, kMostSearchRounds,
                  "rounds at most; each but the first goes between the largest mixture that fails and the "
                  "smallest recipe that passes"),
      integer_key("looks", &SearchSpec::looks, 1, 10,
                  "recipes that the held-out half of the items may judge, smallest first"),
      number_key("veto_weight", &SearchSpec::veto_weight, 0, 1000,
                 "weight of a nat that VETO margins fall (mean of the falls of mean and 5th percentile)"),
      number_key("refusal_weight", &SearchSpec::refusal_weight, 0, 1000,
                 "weight of a nat that the baseline's refusals lose in log-probability"),
      number_key("loss_weight", &SearchSpec::loss_weight, 0, 1000,
                 "weight of a nat that the loss a token of perplexity suites rises"),
  };
  return keys;
}

}  // namespace brinkmap::schedule
