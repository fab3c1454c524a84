#include "schedule/job_check.h"

#include <algorithm>
#include <map>
#include <set>

#include "schedule/job_keys.h"
#include "schedule/judge_keys.h"
#include "schedule/key.h"
#include "schedule/nearest.h"

namespace brinkmap::schedule {
namespace {

template <class T>
std::vector<std::string> ids(const std::vector<T>& items) {
  std::vector<std::string> out;
  for (const T& item : items) out.push_back(item.id);
  return out;
}

// Rules that join several keys.
class CrossCheck {
 public:
  CrossCheck(const Job& job, const YAML::Node& root) : job_(job), root_(root), place_{job.path, ""} {}

  void run() const {
    if (job_.models.empty()) fail("models", "expected at least one model, found none");
    if (job_.suites.empty()) fail("suites", "expected at least one suite, found none");
    unique_ids("models", ids(job_.models), {});
    unique_ids("suites", ids(job_.suites), {});
    unique_ids("experiments", ids(job_.experiments), ids(job_.suites));
    for (std::size_t i = 0; i < job_.models.size(); ++i) model(i);
    for (std::size_t i = 0; i < job_.suites.size(); ++i) suite(i);
    for (std::size_t i = 0; i < job_.experiments.size(); ++i) experiment(i);
    if (!job_.encoder.path.empty() && std::none_of(job_.suites.begin(), job_.suites.end(),
                                                   [](const SuiteSpec& s) { return s.needs_encoder(); }))
      fail("encoder", "no suite has the metric bertscore or coherence; leave the key out");
  }

 private:
  [[noreturn]] void fail(const char* list, const std::string& what) const {
    place_.inside(list).fail(root_[list], what);
  }
  [[noreturn]] void fail(const char* list, std::size_t i, const char* key, const std::string& what) const {
    const YAML::Node item = root_[list][i];
    place_.inside(list).item(i).inside(key).fail(item[key] ? item[key] : item, what);
  }

  // Suites and experiments name variables of the same file, so their ids may not clash either.
  void unique_ids(const char* list, const std::vector<std::string>& names,
                  const std::vector<std::string>& taken) const {
    std::map<std::string, int> seen;
    for (const std::string& name : taken) seen[name] = 1;
    for (std::size_t i = 0; i < names.size(); ++i)
      if (++seen[names[i]] > 1) fail(list, i, "id", "id '" + names[i] + "' is used twice");
  }

  void model(std::size_t i) const {
    const ModelSpec& m = job_.models[i];
    if (std::find(m.recipes.begin(), m.recipes.end(), m.baseline) == m.recipes.end())
      fail("models", i, "baseline",
           "expected one of the model's recipes; " + unknown_name("recipe", m.baseline, m.recipes));
  }

  void suite(std::size_t i) const {
    const SuiteSpec& s = job_.suites[i];
    const bool answers = generates(s.kind);
    if (answers && s.max_new_tokens == 0)
      fail("suites", i, "max_new_tokens", "missing: a suite of this kind generates text and needs a limit");
    if (!answers && s.max_new_tokens != 0)
      fail("suites", i, "max_new_tokens", "a perplexity suite generates nothing; leave the key out");
    if (s.kind != SuiteKind::kRefusal && !s.phrases.empty())
      fail("suites", i, "phrases", "only a refusal suite has a phrase list; leave the key out");
    if (s.kind != SuiteKind::kQuality && !s.metrics.empty())
      fail("suites", i, "metrics", "only a quality suite has metrics; leave the key out");
    if (s.kind != SuiteKind::kPerplexity && s.top_k != 0)
      fail("suites", i, "top_k", "only a perplexity suite keeps logits; leave the key out");
    if (s.kind != SuiteKind::kRefusal && s.baseline_tokens != 0)
      fail("suites", i, "baseline_tokens", "only a refusal suite scores the baseline's answer; leave it out");
    if (s.needs_encoder() && job_.encoder.path.empty())
      fail("suites", i, "metrics", "bertscore and coherence need a model to read texts with: key 'encoder'");
  }

  void experiment(std::size_t i) const {
    const ExperimentSpec& e = job_.experiments[i];
    own_keys(i);
    if (e.kind == ExperimentKind::kSpectra) return;
    if (e.suite.empty()) fail("experiments", i, "suite", "key 'suite' is missing: which suite is read?");
    reads(i);
    if (!e.against.empty()) against(i);
    switch (e.kind) {
      case ExperimentKind::kSpeed:
        return suite_of_kind(i, "suite", e.suite, "that generates", generates);
      case ExperimentKind::kMechanisms:
        suite_of_kind(i, "suite", e.suite, "of kind refusal", is_refusal);
        if (!e.harmless.empty()) suite_of_kind(i, "harmless", e.harmless, "of kind refusal", is_refusal);
        return;
      case ExperimentKind::kJudge:
        suite_of_kind(i, "suite", e.suite, "of kind refusal, truthfulness or bias", can_be_judged);
        return judge(i);
      default:
        return suite_of_kind(i, "suite", e.suite, "of kind decision",
                             [](SuiteKind kind) { return kind == SuiteKind::kDecision; });
    }
  }

  static bool is_refusal(SuiteKind kind) { return kind == SuiteKind::kRefusal; }

  void judge(std::size_t i) const {
    const ExperimentSpec& e = job_.experiments[i];
    const JudgeMistake wrong = check_judge(e.judge, job_.suites[*suite_named(job_, e.suite)].kind);
    if (wrong.key != nullptr) fail("experiments", i, wrong.key, wrong.what);
  }

  // An experiment's key names a suite of a kind that fits.
  void suite_of_kind(std::size_t i, const char* key, const std::string& id, const char* expected,
                     bool (*fits)(SuiteKind)) const {
    for (const SuiteSpec& s : job_.suites) {
      if (s.id != id) continue;
      if (!fits(s.kind))
        fail("experiments", i, key,
             std::string("expected a suite ") + expected + ", found '" + id + "' of another kind");
      return;
    }
    fail("experiments", i, key, unknown_name("suite", id, ids(job_.suites)));
  }

  // Keys that mean nothing to the experiment's kind are mistakes.
  void own_keys(std::size_t i) const {
    const ExperimentKind kind = job_.experiments[i].kind;
    std::set<std::string> own{"id", "kind"};
    if (kind != ExperimentKind::kSpectra) own.insert("suite");
    if (kind == ExperimentKind::kSpeed) own.insert("repetitions");
    if (kind == ExperimentKind::kMechanisms) own.insert("harmless");
    if (kind == ExperimentKind::kJudge)
      own.insert({"model", "template", "question", "labels", "labels_file"});
    if (kind == ExperimentKind::kRerankedPrompts) own.insert({"layer", "reads", "scores"});
    if (kind == ExperimentKind::kEvidenceHead || kind == ExperimentKind::kDecisionHeads)
      own.insert(
          {"layer", "hidden", "dropout", "learning_rate", "weight_decay", "batch", "max_epochs", "patience"});
    if (kind == ExperimentKind::kDecisionHeads)
      own.insert({"pooling", "seeds", "method", "train_on", "reads", "against"});
    for (const auto& entry : root_["experiments"][i])
      if (!own.contains(entry.first.Scalar()))
        fail("experiments", i, entry.first.Scalar().c_str(),
             "means nothing to an experiment of this kind; leave the key out");
  }

  // Index of an experiment; fails naming `key`.
  std::size_t named(std::size_t i, const char* key, const std::string& id) const {
    const std::vector<std::string> all = ids(job_.experiments);
    const auto at = std::find(all.begin(), all.end(), id);
    if (at == all.end()) fail("experiments", i, key, unknown_name("experiment", id, all));
    return static_cast<std::size_t>(at - all.begin());
  }

  void reads(std::size_t i) const {
    const ExperimentSpec& e = job_.experiments[i];
    const bool reranked = e.kind == ExperimentKind::kRerankedPrompts;
    const bool needed = reranked || e.method != Suppression::kNone;
    if (!needed && e.reads.empty()) return;
    if (!needed) fail("experiments", i, "reads", "this experiment uses no scores; leave the key out");
    if (e.reads.empty()) fail("experiments", i, "reads", "missing: whose scores or prompts are used?");
    const ExperimentSpec& other = job_.experiments[named(i, "reads", e.reads)];
    const bool prompts = !reranked && e.method == Suppression::kReorder;
    if (other.kind != (prompts ? ExperimentKind::kRerankedPrompts : ExperimentKind::kEvidenceHead) ||
        other.suite != e.suite)
      fail("experiments", i, "reads",
           std::string("expected an experiment of kind ") + (prompts ? "reranked_prompts" : "evidence_head") +
               " on the same suite");
    if (prompts && other.layer != e.layer)
      fail("experiments", i, "layer", "expected the layer of '" + e.reads + "', whose states are read");
  }

  // Compared heads share everything that decides a seed's random numbers and its training, so that they pair
  // seed by seed; they differ in what they are fed: method and its scores, pooling, the row that trains them.
  void against(std::size_t i) const {
    const ExperimentSpec& e = job_.experiments[i];
    const std::size_t at = named(i, "against", e.against);
    const ExperimentSpec& other = job_.experiments[at];
    if (other.kind != ExperimentKind::kDecisionHeads || at >= i)
      fail("experiments", i, "against",
           "expected decision heads that stand before these, to be compared with them");
    static const std::set<std::string> shared{"suite",      "layer",         "seeds",        "hidden",
                                              "dropout",    "learning_rate", "weight_decay", "batch",
                                              "max_epochs", "patience"};
    for (const Key<ExperimentSpec>& key : experiment_keys())
      if (shared.contains(key.name) && key.show(e) != key.show(other))
        fail("experiments", i, key.name.c_str(),
             "expected the " + key.name + " of '" + other.id + "', with which these heads are compared, " +
                 key.show(other) + "; found " + key.show(e));
  }

  const Job& job_;
  const YAML::Node& root_;
  Place place_;
};

}  // namespace

void check_job(const Job& job, const YAML::Node& root) { CrossCheck(job, root).run(); }

void check_gate(const Job& job, const YAML::Node& gate) {
  const auto suite = [&job](const auto& fits) {
    return std::any_of(job.suites.begin(), job.suites.end(), fits);
  };
  const bool refusals = suite([](const SuiteSpec& s) { return s.kind == SuiteKind::kRefusal; });
  const bool texts = suite([](const SuiteSpec& s) { return s.kind == SuiteKind::kPerplexity; });
  const bool logits = suite([](const SuiteSpec& s) { return s.top_k > 0; });
  const bool judged =
      std::any_of(job.experiments.begin(), job.experiments.end(), [&job](const ExperimentSpec& e) {
        return e.kind == ExperimentKind::kJudge &&
               job.suites[*suite_named(job, e.suite)].kind == SuiteKind::kRefusal;
      });
  const auto needs = [&](const char* key, const std::optional<double>& limit, bool measured,
                         const std::string& what) {
    if (limit && !measured)
      Place{job.path, "gate"}.inside(key).fail(gate[key], "nothing in the job decides this rule, it needs " +
                                                              what + "; add one or leave the key out");
  };
  const GateSpec& g = job.gate;
  needs("over_refusal_rise_pp", g.over_refusal_rise_pp, refusals, "a suite of kind refusal");
  needs("perplexity_ratio", g.perplexity_ratio, texts, "a suite of kind perplexity");
  needs("kl", g.kl, logits, "a suite of kind perplexity with 'top_k'");
  needs("rtsi", g.rtsi, refusals, "a suite of kind refusal");
  needs("kappa", g.kappa, judged, "an experiment of kind judge on a suite of kind refusal");
}

}  // namespace brinkmap::schedule
