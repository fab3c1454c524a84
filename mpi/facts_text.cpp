#include "mpi/facts_text.h"

#include <array>
#include <nlohmann/json.hpp>

#include "mpi/schema.h"
#include "mpi/sha256.h"
#include "schedule/job_file.h"

namespace brinkmap::mpi {
namespace {

using nlohmann::json;
using schedule::Facts;
using schedule::ModelFacts;
using schedule::Split;
using schedule::SuiteFacts;

json to_json(const ModelFacts& m) {
  json matrices = json::array();
  for (const schedule::MatrixFacts& matrix : m.matrices)
    matrices.push_back({matrix.name, matrix.rows, matrix.cols});
  return {{"matrices", matrices},
          {"sha256", m.sha256},
          {"tokenizer_sha256", m.tokenizer_sha256},
          {"architecture", m.architecture},
          {"file_bytes", m.file_bytes},
          {"parameters", m.parameters},
          {"layers", m.layers},
          {"width", m.width},
          {"attention_width", m.attention_width},
          {"vocab", m.vocab},
          {"context", m.context}};
}

ModelFacts model_from(const json& j) {
  ModelFacts m;
  j.at("sha256").get_to(m.sha256);
  j.at("tokenizer_sha256").get_to(m.tokenizer_sha256);
  j.at("architecture").get_to(m.architecture);
  j.at("file_bytes").get_to(m.file_bytes);
  j.at("parameters").get_to(m.parameters);
  j.at("layers").get_to(m.layers);
  j.at("width").get_to(m.width);
  j.at("attention_width").get_to(m.attention_width);
  j.at("vocab").get_to(m.vocab);
  j.at("context").get_to(m.context);
  for (const json& matrix : j.value("matrices", json::array()))
    m.matrices.push_back({matrix.at(0).get<std::string>(), matrix.at(1).get<std::int64_t>(),
                          matrix.at(2).get<std::int64_t>()});
  return m;
}

json to_json(const SuiteFacts& s) {
  std::vector<int> splits;
  for (const Split split : s.splits) splits.push_back(static_cast<int>(split));
  // A line as label and cited.
  std::vector<std::vector<std::array<std::uint8_t, 2>>> evidence;
  for (const std::vector<schedule::Evidence>& lines : s.evidence) {
    evidence.emplace_back();
    for (const schedule::Evidence& line : lines) evidence.back().push_back({line.label, line.cited});
  }
  return {{"sha256", s.sha256},
          {"phrases_sha256", s.phrases_sha256},
          {"ids", s.ids},
          {"expected", s.expected},
          {"splits", splits},
          {"groups", s.groups},
          {"variants", s.variants},
          {"choices", s.choices},
          {"tokens", s.tokens},
          {"evidence", evidence},
          {"span_tokens", s.span_tokens}};
}

SuiteFacts suite_from(const json& j) {
  SuiteFacts s;
  j.at("sha256").get_to(s.sha256);
  j.at("phrases_sha256").get_to(s.phrases_sha256);
  j.at("ids").get_to(s.ids);
  j.at("expected").get_to(s.expected);
  j.at("groups").get_to(s.groups);
  j.at("variants").get_to(s.variants);
  j.at("choices").get_to(s.choices);
  j.at("tokens").get_to(s.tokens);
  j.at("span_tokens").get_to(s.span_tokens);
  for (const auto& lines : j.at("evidence").get<std::vector<std::vector<std::array<std::uint8_t, 2>>>>()) {
    s.evidence.emplace_back();
    for (const auto& [label, cited] : lines) s.evidence.back().push_back({label, cited});
  }
  for (const int split : j.at("splits").get<std::vector<int>>()) {
    if (split < 0 || split > static_cast<int>(Split::kNone))
      throw Error("a split of code " + std::to_string(split));
    s.splits.push_back(static_cast<Split>(split));
  }
  return s;
}

}  // namespace

std::string facts_to_text(const Facts& facts) {
  json j{{"models", json::array()},
         {"suites", json::array()},
         {"recipes", facts.recipes},
         {"recipe_bytes", facts.recipe_bytes},
         {"resolved_recipes", facts.resolved_recipes},
         {"calibration_sha256", facts.calibration_sha256},
         {"encoder", to_json(facts.encoder)},
         {"judges", json::array()}};
  for (const ModelFacts& m : facts.models) j["models"].push_back(to_json(m));
  for (const SuiteFacts& s : facts.suites) j["suites"].push_back(to_json(s));
  for (const schedule::JudgeFacts& judge : facts.judges)
    j["judges"].push_back({{"model", to_json(judge.model)}, {"labels_sha256", judge.labels_sha256}});
  return j.dump(-1, ' ', false, json::error_handler_t::replace);
}

Facts facts_from_text(const std::string& text, const std::string& source) {
  try {
    const json j = json::parse(text);
    Facts facts;
    for (const json& m : j.at("models")) facts.models.push_back(model_from(m));
    for (const json& s : j.at("suites")) facts.suites.push_back(suite_from(s));
    facts.recipes = j.value("recipes", facts.recipes);
    j.at("recipe_bytes").get_to(facts.recipe_bytes);
    facts.resolved_recipes = j.value("resolved_recipes", facts.resolved_recipes);
    j.at("calibration_sha256").get_to(facts.calibration_sha256);
    facts.encoder = model_from(j.at("encoder"));
    for (const json& judge : j.value("judges", json::array()))
      facts.judges.push_back({model_from(judge.at("model")), judge.at("labels_sha256").get<std::string>()});
    return facts;
  } catch (const std::exception& e) {
    throw InputError(source, kJobFacts, std::string("cannot be read: ") + e.what());
  }
}

schedule::Plan plan_from(const std::string& job_text, const std::string& job_path,
                         const std::string& facts_text, const std::string& source) {
  schedule::Job job = schedule::parse_job(job_text, job_path);
  schedule::Facts facts = facts_from_text(facts_text, source);
  try {
    schedule::Plan plan = schedule::expand(std::move(job), std::move(facts));
    plan.job_hash = job_hash(plan);
    return plan;
  } catch (const InputError&) {
    throw;
  } catch (const Error& e) {  // facts that were measured fit their job
    throw InputError(source, kJobFacts, e.what());
  }
}

std::string job_hash(const schedule::Plan& plan) {
  Sha256 sum;
  sum.add_text("brinkmap result file, schema " + std::to_string(kSchemaVersion));
  sum.add_text(canonical_job(plan));
  return sum.hex();
}

}  // namespace brinkmap::mpi
