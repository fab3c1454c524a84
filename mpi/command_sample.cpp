#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "audit/label_sample.h"
#include "mpi/check_results.h"
#include "mpi/commands.h"
#include "mpi/machine.h"
#include "mpi/read_text.h"
#include "schedule/judge.h"
#include "schedule/nearest.h"
#include "worker/checkpoint.h"
#include "worker/hash.h"
#include "worker/suite.h"
#include "worker/tokenizer.h"

namespace brinkmap::mpi {
namespace {

using schedule::Results;
using worker::Tokenizer;

struct SampleOptions {
  std::string file, out, suite, rows = "*";
  std::uint32_t per_stratum = audit::LabelSampling{}.per_stratum;
  std::uint64_t seed = audit::LabelSampling{}.seed;
};

std::vector<std::uint32_t> suites_for(const schedule::Job& job, const SampleOptions& o) {
  std::vector<std::uint32_t> out;
  std::vector<std::string> names;
  for (std::uint32_t s = 0; s < job.suites.size(); ++s) {
    if (!schedule::can_be_judged(job.suites[s].kind)) continue;
    names.push_back(job.suites[s].id);
    if (o.suite.empty() || o.suite == job.suites[s].id) out.push_back(s);
  }
  if (names.empty())
    throw InputError(o.file, "", "expected a refusal, truthfulness or bias suite, found none");
  if (out.empty())
    throw InputError("--suite", "", schedule::unknown_name("suite that can be judged", o.suite, names));
  return out;
}

// Texts of answers: tokens of the result file in the words of the model that wrote them.
class AnswerTexts {
 public:
  explicit AnswerTexts(const Results& results) : results_(results) {}

  std::string of(const audit::SampledAnswer& a) {
    const schedule::SuiteSpec& suite = results_.plan.job.suites[a.suite];
    const auto positions = static_cast<std::size_t>(suite.max_new_tokens);
    const auto tokens =
        results_.at<std::int32_t>(suite.id + "_tokens", a.row).subspan(a.prompt * positions, positions);
    const std::int32_t count = results_.at<std::int32_t>(suite.id + "_token_count", a.row)[a.prompt];
    const schedule::ModelSpec& model = results_.plan.job.models[results_.plan.rows[a.row].model];
    if (count >= 0 && static_cast<std::size_t>(count) <= positions) try {
        const std::string text = tokenizer(model).decode(tokens.first(static_cast<std::size_t>(count)));
        if (worker::sha256_hex(text) == hash_of(a)) return text;
      } catch (const InputError&) {
        throw;
      } catch (const Error&) {  // an id outside the vocabulary: another tokenizer, as below
      }
    throw InputError(model.path, "",
                     "expected the tokenizer that wrote " + results_.plan.rows[a.row].label +
                         ": the tokens of its answer to " +
                         results_.plan.facts.suites[a.suite].ids[a.prompt] +
                         " decode to another text than was hashed");
  }

  std::string hash_of(const audit::SampledAnswer& a) const {
    constexpr std::size_t kBytes = 32;
    const auto hash = results_.at<std::uint8_t>(results_.plan.job.suites[a.suite].id + "_text_hash", a.row);
    return audit::hash_text(hash.subspan(a.prompt * kBytes, kBytes));
  }

 private:
  const Tokenizer& tokenizer(const schedule::ModelSpec& model) {
    auto& known = tokenizers_[model.id];
    if (known) return *known;
    try {
      known = Tokenizer::from_gguf(*worker::Checkpoint::open(model.path));
    } catch (const InputError& e) {
      throw InputError(
          model.path, "",
          std::string("the model is needed for its tokenizer, which decodes the answers: ") + e.what());
    }
    return *known;
  }

  const Results& results_;
  std::map<std::string, std::shared_ptr<const Tokenizer>> tokenizers_;
};

worker::Suite suite_of_file(const Results& results, std::uint32_t s) {
  worker::Suite suite = worker::read_suite(results.plan.job.suites[s]);
  if (suite.sha256 != results.plan.facts.suites[s].sha256)
    throw InputError(suite.spec.file, "", "changed since the sweep; the prompts are taken from it");
  return suite;
}

int sample(const SampleOptions& o) {
  const Results results = read_checked(o.file).results;
  audit::LabelSampling sampling;
  sampling.suites = suites_for(results.plan.job, o);
  for (std::uint32_t r = 0; r < results.plan.rows.size(); ++r)
    if (matches(o.rows, results.plan.rows[r].label)) sampling.rows.push_back(r);
  if (sampling.rows.empty()) throw InputError("--rows", o.rows, "matches no row of " + o.file);
  sampling.per_stratum = o.per_stratum;
  sampling.seed = o.seed;
  const std::vector<audit::SampledAnswer> drawn = audit::sample_answers(results, sampling);
  if (drawn.empty()) throw InputError(o.file, "", "expected answers to draw from, found none with a result");
  std::map<std::uint32_t, worker::Suite> suites;
  for (const std::uint32_t s : sampling.suites) suites.emplace(s, suite_of_file(results, s));
  AnswerTexts texts(results);
  std::string text;
  for (const audit::SampledAnswer& a : drawn) {
    const worker::SuiteItem& item = suites.at(a.suite).items.at(a.prompt);
    nlohmann::ordered_json line{{"suite", results.plan.job.suites[a.suite].id},
                                {"row", results.plan.rows[a.row].label},
                                {"id", item.id},
                                {"prompt", item.prompt},
                                {"answer", texts.of(a)},
                                {"text_hash", texts.hash_of(a)},
                                {"weight", a.weight},
                                {"labels", nlohmann::json::array()},
                                {"label", ""}};
    for (const schedule::JudgeLabel& label : audit::outside_words(results.plan.job, a.suite))
      line["labels"].push_back(label.word);
    text += line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  }
  if (o.out.empty())
    fmt::print("{}", text);
  else
    write_text(o.out, text);
  fmt::print(stderr, "{}: {} answers of {} rows\n", o.out.empty() ? "sample" : o.out, drawn.size(),
             sampling.rows.size());
  return kExitDone;
}

}  // namespace

void add_sample(CLI::App& root, Invocation& invocation) {
  auto o = std::make_shared<SampleOptions>();
  CLI::App* command =
      root.add_subcommand("sample", "A stratified sample of a sweep's answers, for people to label");
  command->add_option("OUT", o->file, "result file (HDF5)")->required();
  command->add_option("-o,--output", o->out, "sample to write (JSONL); standard output without it");
  command->add_option("--suite", o->suite, "only this suite; else all refusal, truthfulness and bias suites");
  command->add_option("--rows", o->rows, "only rows whose label matches, e.g. '*/q4_k_m'");
  command
      ->add_option("--per-stratum", o->per_stratum,
                   "answers of each row, suite and scorer's label; twice as many where a judge differs")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->add_option("--seed", o->seed, "start of the random draws")->capture_default_str();
  command->footer(
      "Fill in \"label\" of each line with one of its \"labels\"; `brinkmap agree` reads the file back, and "
      "so does\n"
      "`labels_file` of a judge in a job. Lines left empty count as not labelled. The models and suites of "
      "the job\n"
      "must be where they were.\n"
      "Example:\n  brinkmap sample first.h5 --suite direct --per-stratum 10 -o to_label.jsonl");
  command->callback([o, &invocation] { invocation.action = [o] { return sample(*o); }; });
}

}  // namespace brinkmap::mpi
