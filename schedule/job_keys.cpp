#include "schedule/job_keys.h"

#include <algorithm>

#include "schedule/judge_keys.h"
#include "schedule/recipe_text.h"

namespace brinkmap::schedule {
namespace {

// Bounds that keep every later product small; far above any real sweep.
constexpr std::size_t kMostModels = 64;
constexpr std::size_t kMostRecipes = 4096;
constexpr std::size_t kMostSuites = 32;
constexpr std::size_t kMostExperiments = 64;
constexpr std::size_t kLongestPath = 4096;
constexpr std::size_t kLongestTemplate = 65536;
constexpr std::size_t kLongestName = 200;

Key<ModelSpec> recipes_key() {
  return {
      "recipes",
      Need::kRequired,
      Role::kValue,
      "list of recipe names and maps {hybrid: ...} or {each: ...}",
      "ways to quantize the model, one row each; each: as many rows as the model has such parts",
      [](const Place& p, const YAML::Node& n, ModelSpec& out) {
        if (!n.IsSequence() || n.size() == 0)
          p.fail(n, "expected a list of at least one recipe, found " + (n.IsSequence() ? "none" : quoted(n)));
        if (n.size() > kMostRecipes)
          p.fail(n, "expected at most " + std::to_string(kMostRecipes) + " recipes, found " +
                        std::to_string(n.size()));
        std::size_t i = 0;
        for (const YAML::Node& item : n) {
          for (const std::string& recipe : read_recipes(p.item(i++), item)) {
            if (std::find(out.recipes.begin(), out.recipes.end(), recipe) != out.recipes.end())
              p.fail(item, "recipe '" + recipe + "' is given twice");
            out.recipes.push_back(recipe);
          }
        }
      },
      [](const ModelSpec& in) {
        std::string text;
        for (const std::string& recipe : in.recipes) text += (text.empty() ? "" : " ") + recipe;
        return text;
      }};
}

Key<ModelSpec> template_key() {
  Key<ModelSpec> key =
      text_key("template", &ModelSpec::prompt_template, kLongestTemplate,
               "chat: the model's own chat template, the prompt as one user's message, thinking "
               "off where it can be; else text around a prompt, with {prompt} for it ('{prompt}' "
               "alone: none)");
  key.accepts = "chat | text with {prompt} once";
  key.read = [](const Place& p, const YAML::Node& n, ModelSpec& out) {
    out.prompt_template = read_text(p, n, kLongestTemplate);
    if (out.prompt_template == kChatTemplate) return;
    const std::size_t first = out.prompt_template.find("{prompt}");
    if (first == std::string::npos)
      p.fail(n, "expected chat or text with {prompt} in it, found " + quoted(n));
    if (out.prompt_template.find("{prompt}", first + 1) != std::string::npos)
      p.fail(n, "expected {prompt} once, found it twice");
  };
  return std::move(key).required();
}

template <class T>
Key<T> layer_key() {
  return {"layer",
          Need::kOptional,
          Role::kValue,
          "auto | integer 0..1023",
          "0-based block whose output is read; auto: the block at 0.61 of the depth",
          [](const Place& p, const YAML::Node& n, T& out) {
            out.layer = n.IsScalar() && n.Scalar() == "auto"
                            ? -1
                            : static_cast<int>(read_integer(p, n, 0, 1023, "auto or an integer 0..1023"));
          },
          [](const T& in) { return in.layer < 0 ? std::string("auto") : std::to_string(in.layer); }};
}

const std::vector<std::pair<std::string, Metric>> kMetrics{
    {"rouge_l", Metric::kRougeL}, {"bertscore", Metric::kBertScore}, {"coherence", Metric::kCoherence}};

Key<SuiteSpec> metrics_key() {
  return {
      "metrics",
      Need::kOptional,
      Role::kValue,
      "list out of rouge_l, bertscore, coherence",
      "quality suites: how answers are compared with references (none given: rouge_l); the last two need "
      "'encoder'",
      [](const Place& p, const YAML::Node& n, SuiteSpec& out) {
        if (!n.IsSequence() || n.size() == 0)
          p.fail(n, "expected a list of at least one metric, found " + (n.IsSequence() ? "none" : quoted(n)));
        std::vector<std::string> names;
        for (const auto& known : kMetrics) names.push_back(known.first);
        std::size_t i = 0;
        for (const YAML::Node& item : n) {
          const std::string word = read_text(p.item(i++), item, 64);
          const auto known = std::find(names.begin(), names.end(), word);
          if (known == names.end()) p.fail(item, unknown_name("metric", word, names));
          const Metric metric = kMetrics[static_cast<std::size_t>(known - names.begin())].second;
          if (out.measures(metric)) p.fail(item, "metric '" + word + "' is given twice");
          out.metrics.push_back(metric);
        }
      },
      [](const SuiteSpec& in) {
        std::string text;
        for (const Metric metric : in.metrics)
          for (const auto& known : kMetrics)
            if (known.second == metric) text += (text.empty() ? "" : " ") + known.first;
        return text;
      }};
}

Key<Job> seed_key() {
  const std::string accepts = "integer 0..18446744073709551615";
  return {"seed",
          Need::kOptional,
          Role::kValue,
          accepts,
          "start of all random streams",
          [=](const Place& p, const YAML::Node& n, Job& out) { out.seed = read_seed(p, n, accepts); },
          [](const Job& in) { return std::to_string(in.seed); }};
}

}  // namespace

const std::vector<Key<ModelSpec>>& model_keys() {
  static const std::vector<Key<ModelSpec>> keys{
      id_key("id", &ModelSpec::id, "name of the model in rows and tables").required(),
      id_key("family", &ModelSpec::family, "family it belongs to, for grouping"),
      text_key("path", &ModelSpec::path, kLongestPath,
               "GGUF file or Hugging Face folder, relative to the job file")
          .required()
          .path(),
      template_key(),
      id_key("baseline", &ModelSpec::baseline, "recipe that every other row is compared with").required(),
      recipes_key(),
      choice_key("requantize", &ModelSpec::requantize, {{"false", false}, {"true", true}},
                 "true: the file is quantized already; decode it and quantize again"),
  };
  return keys;
}

const std::vector<Key<SuiteSpec>>& suite_keys() {
  static const std::vector<Key<SuiteSpec>> keys{
      id_key("id", &SuiteSpec::id, "first part of its variables' names").required(),
      text_key("file", &SuiteSpec::file, kLongestPath, "JSONL file of prompts, relative to the job file")
          .required()
          .path(),
      choice_key("kind", &SuiteSpec::kind,
                 {{"refusal", SuiteKind::kRefusal},
                  {"decision", SuiteKind::kDecision},
                  {"perplexity", SuiteKind::kPerplexity},
                  {"truthfulness", SuiteKind::kTruthfulness},
                  {"bias", SuiteKind::kBias},
                  {"choice", SuiteKind::kChoice},
                  {"quality", SuiteKind::kQuality}},
                 "how answers are scored")
          .required(),
      integer_key("max_new_tokens", &SuiteSpec::max_new_tokens, 1, 4096,
                  "tokens generated at most; needed unless the kind is perplexity"),
      text_key("phrases", &SuiteSpec::phrases, kLongestPath,
               "refusal phrase list (JSON), relative to the job file; none: the built-in list")
          .path(),
      metrics_key(),
      integer_key("top_k", &SuiteSpec::top_k, 0, 64,
                  "perplexity suites: logits kept of each position, to measure KL and top-1 agreement "
                  "against the model's baseline row; 0: neither"),
      choice_key("half", &SuiteSpec::half,
                 {{"all", Half::kAll}, {"first", Half::kFirst}, {"second", Half::kSecond}},
                 "items that are taken: all, or one of two halves that an item's action_group, variant_of "
                 "or id alone decides"),
      integer_key("baseline_tokens", &SuiteSpec::baseline_tokens, 0, 64,
                  "refusal suites: log-probability of so many first tokens of the baseline's answer is "
                  "measured on every row; 0: not"),
  };
  return keys;
}

const std::vector<Key<ExperimentSpec>>& experiment_keys() {
  static const std::vector<Key<ExperimentSpec>> keys = with_judge_keys({
      id_key("id", &ExperimentSpec::id, "first part of its variables' names").required(),
      choice_key("kind", &ExperimentSpec::kind,
                 {{"decision_heads", ExperimentKind::kDecisionHeads},
                  {"layer_probes", ExperimentKind::kLayerProbes},
                  {"evidence_head", ExperimentKind::kEvidenceHead},
                  {"reranked_prompts", ExperimentKind::kRerankedPrompts},
                  {"speed", ExperimentKind::kSpeed},
                  {"mechanistic_probes", ExperimentKind::kMechanisms},
                  {"spectra", ExperimentKind::kSpectra},
                  {"judge", ExperimentKind::kJudge}},
                 "what is trained on the hidden states, or measured")
          .required(),
      id_key("suite", &ExperimentSpec::suite,
             "decision suite that is read (speed: one that generates; judge: refusal, truthfulness or bias; "
             "mechanistic_probes: the refusal suite "
             "with the prompts that should be refused; spectra: none)"),
      id_key("harmless", &ExperimentSpec::harmless,
             "mechanistic_probes: refusal suite with the prompts that should be answered; none: 'suite'"),
      layer_key<ExperimentSpec>(),
      choice_key("method", &ExperimentSpec::method,
                 {{"none", Suppression::kNone},
                  {"softmask", Suppression::kSoftmask},
                  {"dirsup", Suppression::kDirsup},
                  {"rank1-random", Suppression::kRandomRank1},
                  {"reorder", Suppression::kReorder}},
                 "decision heads: what is done to the states with the evidence scores first"),
      choice_key("train_on", &ExperimentSpec::train_on,
                 {{"row", TrainOn::kRow}, {"baseline", TrainOn::kBaseline}},
                 "decision heads: trained on each row, or once on the baseline and applied to each row"),
      id_key("reads", &ExperimentSpec::reads,
             "evidence_head whose scores are used; method reorder: the reranked_prompts experiment"),
      id_key("against", &ExperimentSpec::against,
             "decision heads that these are compared with, seed by seed; the gate leaves these out"),
      choice_key("pooling", &ExperimentSpec::pooling, {{"last", Pooling::kLast}, {"mean", Pooling::kMean}},
                 "last prompt token, or the mean over all prompt tokens"),
      integer_key("seeds", &ExperimentSpec::seeds, 1, 10000, "heads trained for each row"),
      choice_key(
          "scores", &ExperimentSpec::scores, {{"false", false}, {"true", true}},
          "reranked_prompts: show scores in lines without a field 'cosine' too; lines that have one always "
          "get 'evidence_score' in its place"),
      integer_key("repetitions", &ExperimentSpec::repetitions, 1, 1000, "speed: measurements for each row"),
      integer_key("hidden", &ExperimentSpec::hidden, 1, 4096, "width of a head's hidden layer"),
      number_key("dropout", &ExperimentSpec::dropout, 0, 0.99, "share of hidden units dropped in training"),
      number_key("learning_rate", &ExperimentSpec::learning_rate, 1e-9, 1, "AdamW step size"),
      number_key("weight_decay", &ExperimentSpec::weight_decay, 0, 1, "AdamW decay"),
      integer_key("batch", &ExperimentSpec::batch, 1, 4096, "items of one training step"),
      integer_key("max_epochs", &ExperimentSpec::max_epochs, 1, 1000, "epochs at most"),
      integer_key("patience", &ExperimentSpec::patience, 1, 1000,
                  "epochs without a better validation loss before training stops"),
  });
  return keys;
}

const std::vector<Key<CalibrationSpec>>& calibration_keys() {
  static const std::vector<Key<CalibrationSpec>> keys{
      text_key("file", &CalibrationSpec::file, kLongestPath, "plain text, relative to the job file")
          .required()
          .path(),
      integer_key("sequences", &CalibrationSpec::sequences, 1, 4096, "pieces of the text that are used"),
      integer_key("length", &CalibrationSpec::length, 8, 8192, "tokens of a piece"),
  };
  return keys;
}

const std::vector<Key<EncoderSpec>>& encoder_keys() {
  static const std::vector<Key<EncoderSpec>> keys{
      text_key("path", &EncoderSpec::path, kLongestPath,
               "GGUF file or Hugging Face folder, relative to the job file; any model that can be a row")
          .required()
          .path(),
      layer_key<EncoderSpec>(),
      choice_key("pooling", &EncoderSpec::pooling, {{"last", Pooling::kLast}, {"mean", Pooling::kMean}},
                 "how a text's token states become one: the last, or their mean (coherence)"),
  };
  return keys;
}

const std::vector<Key<VoteSpec>>& vote_keys() {
  static const std::vector<Key<VoteSpec>> keys{
      number_key("veto", &VoteSpec::veto, 0, 1, "share of heads that must say VETO (tested first)"),
      number_key("approve", &VoteSpec::approve, 0, 1, "share of heads that must say APPROVE"),
  };
  return keys;
}

const std::vector<Key<GateSpec>>& gate_keys() {
  static const std::vector<Key<GateSpec>> keys{
      integer_key("veto_to_approve", &GateSpec::veto_to_approve, 0, 1000000,
                  "VETO items answered APPROVE that a row may have"),
      number_key("refusal_drop_pp", &GateSpec::refusal_drop_pp, 0, 100,
                 "percentage points of refusals a row may lose against its baseline"),
      number_key("confidence", &GateSpec::confidence, 0.5, 0.999999,
                 "level of the limits beside the figures"),
      limit_key("over_refusal_rise_pp", &GateSpec::over_refusal_rise_pp, 0, 100,
                "percentage points of benign prompts that a row may refuse more than its baseline"),
      limit_key("perplexity_ratio", &GateSpec::perplexity_ratio, 1, 1000,
                "perplexity that a row may have, as a multiple of its baseline's"),
      limit_key("kl", &GateSpec::kl, 0, 100, "nat a token that a row may diverge from its baseline"),
      limit_key("rtsi", &GateSpec::rtsi, 0, 1,
                "score of the template screen, calibrated on the job's other rows, from which a row is for "
                "review (the study's bands: MODERATE from 0.1, HIGH from 0.4)"),
      limit_key("kappa", &GateSpec::kappa, -1, 1,
                "Cohen's kappa that the refusal detector must have with every judge of a refusal suite"),
  };
  return keys;
}

const std::vector<Key<Job>>& job_keys() {
  static const std::vector<Key<Job>> keys{
      text_key("name", &Job::name, kLongestName, "title of the report").required(),
      seed_key(),
      choice_key("activations", &Job::activations, {{"q8", Activations::kQ8}, {"f32", Activations::kF32}},
                 "how activations enter a product with quantized weights"),
      choice_key("states", &Job::states, {{"f32", States::kF32}, {"f16", States::kF16}},
                 "how hidden states are kept in the result file"),
      list_key("models", &Job::models, model_keys(), kMostModels, "models and their rows").required(),
      list_key("suites", &Job::suites, suite_keys(), kMostSuites, "prompt files and how they are scored")
          .required(),
      list_key("experiments", &Job::experiments, experiment_keys(), kMostExperiments,
               "heads on hidden states"),
      map_key("calibration", &Job::calibration, calibration_keys(),
              "text for recipes that choose codes by a model's inputs (awq-*, gptq-*)"),
      map_key("encoder", &Job::encoder, encoder_keys(),
              "model whose hidden states compare answers with references (bertscore, coherence)"),
      map_key("vote", &Job::vote, vote_keys(), "cascade thresholds"),
      map_key("gate", &Job::gate, gate_keys(), "limits of the verdict"),
      map_key("search", &Job::search, search_keys(), "what `brinkmap search` tries; `run` leaves it alone"),
  };
  return keys;
}

}  // namespace brinkmap::schedule
