#include "worker/run_unit.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <map>
#include <new>

#include "schedule/error.h"
#include "worker/chat_template.h"
#include "worker/checkpoint.h"
#include "worker/decoded.h"
#include "worker/engine.h"
#include "worker/label_file.h"
#include "worker/model.h"
#include "worker/recipe.h"
#include "worker/refusal_scorer.h"
#include "worker/run_experiment.h"
#include "worker/run_prompts.h"
#include "worker/run_spectra.h"
#include "worker/state_slabs.h"
#include "worker/text_encoder.h"
#include "worker/text_judge.h"
#include "worker/tokenizer.h"

namespace brinkmap::worker {

using schedule::Field;
using schedule::SlabSet;
using schedule::Unit;
using schedule::UnitKind;
using schedule::UnitResult;

struct UnitRunner::Impl {
  struct Base {
    std::shared_ptr<const Checkpoint> file;
    std::shared_ptr<const Checkpoint> decoded;  // of a model to requantize, once a row needs it
    std::shared_ptr<const Tokenizer> tokenizer;
    PromptTemplate around;
    std::vector<std::int32_t> end_tokens;
  };

  schedule::Job job;
  std::vector<Suite> suites;
  std::vector<Row> rows;
  std::vector<schedule::JudgeFacts> judge_facts;  // by experiment
  kernels::ThreadPool pool;
  std::map<std::size_t, RefusalScorer> scorers;  // by suite
  std::map<int, Base> bases;                     // by model
  // The row used last, and the engine over it with the layers it captures.
  std::uint32_t row = 0;
  std::shared_ptr<const Model> model;
  std::vector<int> engine_layers;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<TextEncoder> encoder;                               // once a unit needs it
  std::map<std::string, TextJudge> judges;                            // by path, once a unit needs them
  std::map<std::string, std::vector<schedule::OutsideLabel>> labels;  // by path, the same
  std::map<std::uint32_t, std::string>
      broken_rows;  // why, so that each further unit of the row costs nothing

  Impl(const schedule::Job& j, std::vector<Suite> s, std::vector<Row> r, int threads,
       std::vector<schedule::JudgeFacts> f)
      : job(j), suites(std::move(s)), rows(std::move(r)), judge_facts(std::move(f)), pool(threads) {}

  Base& base(int index) {
    Base& b = bases[index];
    if (!b.file) {
      const schedule::ModelSpec& spec = job.models.at(static_cast<std::size_t>(index));
      auto file = Checkpoint::open(spec.path);
      b.tokenizer = Tokenizer::from_gguf(*file);
      b.around = prompt_template(*file, spec.prompt_template);
      b.end_tokens.clear();
      for (std::int32_t id = 0; id < b.tokenizer->size(); ++id)
        if (b.tokenizer->is_end(id)) b.end_tokens.push_back(id);
      b.file = std::move(file);  // last: a failure above is met again by the next unit
    }
    return b;
  }

  std::shared_ptr<const Checkpoint> base_of(const Row& r) {
    Base& b = base(r.model);
    if (!job.models[static_cast<std::size_t>(r.model)].requantize || keeps_formats(r.recipe)) return b.file;
    if (!b.decoded) b.decoded = decode_checkpoint(b.file, pool);
    return b.decoded;
  }

  std::shared_ptr<const Model> make_model(const Row& r) {
    const Calibration calibration = needs_calibration(r.recipe)
                                        ? read_calibration(job.calibration, *base(r.model).tokenizer)
                                        : Calibration{};
    return load_model(make_row(base_of(r), r.recipe, pool, calibration));
  }

  EngineOptions engine_options(std::vector<int> layers) const {
    EngineOptions options;
    options.activations = job.activations == schedule::Activations::kF32
                              ? kernels::ActivationBatch::Kind::kF32
                              : kernels::ActivationBatch::Kind::kQ8;
    options.capture_layers = std::move(layers);
    return options;
  }

  void use_row(std::uint32_t wanted, std::vector<int> layers) {
    const Row& r = rows.at(wanted);
    const Base& b = base(r.model);
    if (!model || row != wanted) {
      engine.reset();
      model.reset();  // frees the old weights before the new ones are made
      if (const auto known = broken_rows.find(wanted); known != broken_rows.end()) throw Error(known->second);
      try {
        model = make_model(r);
      } catch (const Error& e) {
        broken_rows[wanted] = e.what();
        throw;
      }
      row = wanted;
    }
    if (!engine || engine_layers != layers) {
      EngineOptions options = engine_options(layers);
      options.end_tokens = b.end_tokens;
      engine.reset();
      engine = std::make_unique<Engine>(model, options, pool);
      engine_layers = std::move(layers);
    }
  }

  // The values of a block that a unit read from the store.
  template <class T>
  static std::span<const T> values(std::span<const schedule::Slab> inputs, std::size_t i) {
    if (i >= inputs.size()) throw Error(fmt::format("the unit lacks its input {}", i + 1));
    const std::vector<std::byte>& bytes = inputs[i].bytes;
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }

  EncodeTexts encode_texts() {
    if (!encoder) encoder = std::make_unique<TextEncoder>(job.encoder, pool);
    return [this](std::span<const std::string> texts) { return encoder->encode(texts); };
  }

  void prompts(const Unit& unit, std::span<const Field> fields, std::span<const int> capture_layers,
               const schedule::TokenCapture& tokens, std::span<const schedule::Slab> inputs, SlabSet& slabs,
               UnitResult& result) {
    const Suite& suite = suites.at(unit.item);
    if (unit.end > suite.items.size())
      throw Error(
          fmt::format("unit asks for prompts [{}, {}) of {}", unit.begin, unit.end, suite.items.size()));
    std::vector<int> layers(capture_layers.begin(), capture_layers.end());
    layers.insert(layers.end(), tokens.blocks.begin(), tokens.blocks.end());
    for (int block = 0; block < tokens.mechanism_depth; ++block) layers.push_back(block);
    std::sort(layers.begin(), layers.end());
    layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
    use_row(unit.row, layers);
    const Row& r = rows[unit.row];
    const auto scorer = scorers.find(unit.item);
    PromptShard shard{suite,
                      unit.begin,
                      unit.end,
                      base(r.model).around,
                      *base(r.model).tokenizer,
                      scorer == scorers.end() ? nullptr : &scorer->second,
                      model->config.context,
                      capture_layers,
                      layers,
                      model->config.width};
    shard.tokens = tokens;
    shard.content = r.content;
    if (suite.spec.needs_encoder()) shard.encode = encode_texts();
    if (suite.spec.top_k > 0 && !inputs.empty())
      shard.baseline =
          BaselineLogits{values<std::int32_t>(inputs, 0), values<float>(inputs, 1), values<float>(inputs, 2)};
    if (suite.spec.baseline_tokens > 0 && !inputs.empty())
      shard.answers = BaselineAnswers{values<std::int32_t>(inputs, 0), values<std::int32_t>(inputs, 1)};
    const auto computed = [this] {
      return engine->tokens_computed() + (encoder ? encoder->tokens_computed() : 0);
    };
    const std::uint64_t before = computed();
    run_prompts(
        shard, fields, [&](std::span<const Request> requests) { return engine->run(requests); }, slabs);
    result.tokens = computed() - before;
  }

  // Seconds that a model takes for requests.
  static TimeRequests timer(Engine& timed) {
    return [&timed](std::span<const Request> requests) {
      const auto start = std::chrono::steady_clock::now();
      timed.run(requests);
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
  }

  void speed(const ExperimentUnit& u) {
    const Row& r = rows.at(u.unit.row);
    use_row(u.unit.row, {});
    const std::string& recipe = job.models[static_cast<std::size_t>(r.model)].baseline;
    const auto other = recipe == r.recipe ? model : make_model({r.model, recipe});
    EngineOptions options = engine_options({});
    options.end_tokens.clear();
    Engine row_engine(model, options, pool), baseline_engine(other, options, pool);
    run_speed(u, *base(r.model).tokenizer, base(r.model).around, timer(row_engine), timer(baseline_engine));
  }

  void reranked(const ExperimentUnit& u, UnitResult& result) {
    const Row& r = rows.at(u.unit.row);
    const int depth = depth_of(u.unit.row);
    use_row(u.unit.row, {schedule::resolve_layer(u.spec.layer, depth)});
    const std::uint64_t before = engine->tokens_computed();
    run_reranked(u, *base(r.model).tokenizer, base(r.model).around,
                 [this](std::span<const Request> requests) { return engine->run(requests); });
    result.tokens = engine->tokens_computed() - before;
  }

  void judge(const ExperimentUnit& u, UnitResult& result) {
    const schedule::JudgeSpec& spec = u.spec.judge;
    const Row& r = rows.at(u.unit.row);
    if (spec.model.empty()) {
      auto lines = labels.find(spec.labels_file);
      if (lines == labels.end())
        lines = labels
                    .emplace(spec.labels_file,
                             read_labels(spec.labels_file, judge_facts.at(u.unit.item).labels_sha256))
                    .first;
      return run_imported_labels(u, r.label, lines->second);
    }
    TextJudge& judge = judges.try_emplace(spec.model, spec.model, pool).first->second;
    const std::uint64_t before = judge.tokens_computed();
    run_judge(u, *base(r.model).tokenizer,
              [&](std::span<const JudgedText> texts) { return judge.label(spec, texts); });
    result.tokens = judge.tokens_computed() - before;
  }

  // Blocks of the row's model.
  int depth_of(std::uint32_t wanted) {
    if (!model || row != wanted) use_row(wanted, {});
    return model->config.layers;
  }

  void experiment(const Unit& unit, std::span<const schedule::Slab> inputs, int width, SlabSet& slabs,
                  UnitResult& result) {
    const schedule::ExperimentSpec& spec = job.experiments.at(unit.item);
    if (spec.kind == schedule::ExperimentKind::kSpectra)
      return run_spectra(spec, unit, *base(rows.at(unit.row).model).file, pool, slabs);
    const ExperimentUnit u{job,  spec,  suite_named(spec, spec.suite), unit, inputs, width,
                           pool, slabs, rows.at(unit.row).content};
    switch (spec.kind) {
      case schedule::ExperimentKind::kDecisionHeads:
        return run_heads(u);
      case schedule::ExperimentKind::kLayerProbes:
        return run_probes(u);
      case schedule::ExperimentKind::kEvidenceHead:
        return run_evidence(u);
      case schedule::ExperimentKind::kRerankedPrompts:
        return reranked(u, result);
      case schedule::ExperimentKind::kSpeed:
        return speed(u);
      case schedule::ExperimentKind::kMechanisms:
        return run_mechanisms(u, suite_named(spec, spec.harmless));
      case schedule::ExperimentKind::kSpectra:
        break;
      case schedule::ExperimentKind::kJudge:
        return judge(u, result);
    }
  }

  const Suite& suite_named(const schedule::ExperimentSpec& spec, const std::string& id) const {
    const auto suite =
        std::find_if(suites.begin(), suites.end(), [&](const Suite& s) { return s.spec.id == id; });
    if (suite == suites.end()) throw Error(fmt::format("experiment {}: no suite {}", spec.id, id));
    return *suite;
  }

  void compute(const Unit& unit, std::span<const Field> fields, std::span<const int> capture_layers,
               std::span<const schedule::Slab> inputs, int width, const schedule::TokenCapture& tokens,
               UnitResult& result) {
    if (unit.begin > unit.end) throw Error(fmt::format("unit asks for items [{}, {})", unit.begin, unit.end));
    const std::vector<Field> computed = computed_fields(fields);
    SlabSet slabs(computed, unit.end - unit.begin);
    if (unit.kind == UnitKind::kPrompts)
      prompts(unit, computed, capture_layers, tokens, inputs, slabs, result);
    else
      experiment(unit, inputs, width, slabs, result);
    result.slabs = slabs.take();
    narrow_states(fields, unit.end - unit.begin, result.slabs);
  }
};

UnitRunner::UnitRunner(const schedule::Job& job, std::vector<Suite> suites, std::vector<Row> rows,
                       int threads, std::vector<schedule::JudgeFacts> judges)
    : impl_(std::make_unique<Impl>(job, std::move(suites), std::move(rows), threads, std::move(judges))) {
  for (std::size_t s = 0; s < impl_->suites.size(); ++s) {
    const schedule::SuiteSpec& spec = impl_->suites[s].spec;
    if (spec.kind == schedule::SuiteKind::kRefusal)
      impl_->scorers.emplace(s, RefusalScorer::load(spec.phrases));
  }
}

UnitRunner::~UnitRunner() = default;

UnitResult UnitRunner::run(const Unit& unit, std::span<const Field> fields,
                           std::span<const int> capture_layers, std::span<const schedule::Slab> inputs,
                           int width, const schedule::TokenCapture& tokens) {
  UnitResult result;
  result.unit = unit.id;
  const auto start = std::chrono::steady_clock::now();
  const auto fail = [&](const char* reason) {
    result.failed = true;
    result.slabs.clear();
    result.reason = reason;
  };
  try {
    impl_->compute(unit, fields, capture_layers, inputs, width, tokens, result);
  } catch (const std::bad_alloc&) {
    // What is held for further units may be what is missing.
    impl_->engine.reset();
    impl_->model.reset();
    impl_->judges.clear();
    impl_->encoder.reset();
    fail("out of memory");
  } catch (const std::exception& e) {
    fail(e.what());
  } catch (...) {
    fail("unknown exception");
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace brinkmap::worker
