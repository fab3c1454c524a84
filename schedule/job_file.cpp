#include "schedule/job_file.h"

#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "schedule/job_check.h"
#include "schedule/job_keys.h"
#include "schedule/judge_keys.h"
#include "schedule/recipe_text.h"

namespace brinkmap::schedule {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 20;
constexpr std::size_t kMostNodes = 50000;

// Counts nodes before a tree is built. Aliases are events too, so nothing is expanded here; expansion later
// is bounded by the fixed depth and list limits of the keys.
class NodeCount : public YAML::EventHandler {
 public:
  explicit NodeCount(const std::string& path) : path_(path) {}
  int documents = 0;

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents > 1) throw InputError(path_, line(mark), "expected one YAML document, found a second");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { count(mark); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { count(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t, const std::string&) override {
    count(mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    count(mark);
  }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    count(mark);
  }
  void OnMapEnd() override {}

 private:
  static std::string line(const YAML::Mark& mark) { return "line " + std::to_string(mark.line + 1); }
  void count(const YAML::Mark& mark) {
    if (++nodes_ > kMostNodes)
      throw InputError(path_, line(mark),
                       "expected at most " + std::to_string(kMostNodes) + " YAML nodes, found more");
  }

  const std::string& path_;
  std::size_t nodes_ = 0;
};

YAML::Node load(std::string_view text, const std::string& path) {
  if (text.size() > kMostBytes)
    throw InputError(path, "",
                     "expected a file of at most 1 MiB, found " + std::to_string(text.size()) + " bytes");
  try {
    const std::string copy(text);
    std::istringstream stream(copy);
    YAML::Parser parser(stream);
    NodeCount counter(path);
    while (parser.HandleNextDocument(counter)) {
    }
    if (counter.documents == 0) throw InputError(path, "", "expected keys, found an empty file");
    return YAML::Load(copy);
  } catch (const YAML::Exception& e) {
    throw InputError(path, e.mark.is_null() ? "" : "line " + std::to_string(e.mark.line + 1),
                     "not valid YAML: " + e.msg);
  }
}

std::string resolved(const std::string& path, const std::string& job_path) {
  const std::filesystem::path p(path);
  if (path.empty() || p.is_absolute()) return path;
  return (std::filesystem::path(job_path).parent_path() / p).lexically_normal().string();
}

// At most one byte more than a file may have.
std::string read_yaml(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    throw InputError(path, "", "expected a YAML file, found a folder");
  std::ifstream in(path, std::ios::binary);
  if (!in) throw InputError(path, "", "cannot be opened");
  std::string text(kMostBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) throw InputError(path, "", "cannot be read");
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

}  // namespace

Job parse_job(std::string_view text, const std::string& path) {
  const YAML::Node root = load(text, path);
  Job job;
  job.path = path;
  job.text = std::string(text);
  try {
    read_map(Place{path, ""}, root, job_keys(), job);
    check_job(job, root);
  } catch (const YAML::Exception& e) {
    throw InputError(path, e.mark.is_null() ? "" : "line " + std::to_string(e.mark.line + 1),
                     "not a job: " + e.msg);
  }
  for (ModelSpec& m : job.models) m.path = resolved(m.path, path);
  job.calibration.file = resolved(job.calibration.file, path);
  job.encoder.path = resolved(job.encoder.path, path);
  for (ExperimentSpec& e : job.experiments) {
    if (e.kind == ExperimentKind::kEvidenceHead && e.layer < 0) e.layer = kAutoEvidenceLayer;
    if (!e.against.empty()) {  // stands before e
      const auto other = std::find_if(job.experiments.begin(), job.experiments.end(),
                                      [&](const ExperimentSpec& o) { return o.id == e.against; });
      e.draws_as = other->draws_as.empty() ? other->id : other->draws_as;
    }
    if (e.kind == ExperimentKind::kMechanisms && e.harmless.empty()) e.harmless = e.suite;
    if (e.kind != ExperimentKind::kJudge) continue;
    e.judge.model = resolved(e.judge.model, path);
    e.judge.labels_file = resolved(e.judge.labels_file, path);
    complete_judge(e.judge, job.suites[*suite_named(job, e.suite)].kind);
  }
  for (SuiteSpec& s : job.suites) {
    s.file = resolved(s.file, path);
    s.phrases = resolved(s.phrases, path);
    if (s.kind == SuiteKind::kQuality && s.metrics.empty()) s.metrics = {Metric::kRougeL};
  }
  return job;
}

Job read_job(const std::string& path) {
  const std::string text = read_yaml(path);
  Job job = parse_job(text, path);
  // Not of every text: stored jobs stay readable, and a stage of a search leaves experiments out.
  check_gate(job, YAML::Load(text)["gate"]);
  return job;
}

std::string place_in_file(const Job& job, const std::string& part, int index, const std::string& key,
                          const std::string& entry) {
  const std::string name = part + (index < 0 ? "" : "[" + std::to_string(index) + "]") + "." + key;
  try {
    if (read_yaml(job.path) != job.text) return name;
  } catch (const InputError&) {
    return name;
  }
  const YAML::Node root = YAML::Load(job.text);
  const YAML::Node node = index < 0 ? root[part][key] : root[part][index][key];
  int line = node.Mark().line;
  for (const YAML::Node& item : node)
    if (item.IsScalar() && item.Scalar() == entry) line = item.Mark().line;
  return "line " + std::to_string(line + 1) + ": " + name;
}

std::string read_recipe_file(const std::string& path) {
  const YAML::Node root = load(read_yaml(path), path);
  try {
    const std::vector<std::string> recipes = read_recipes(Place{path, ""}, root);
    if (recipes.size() != 1) Place{path, ""}.fail(root, "expected one recipe, found several");
    return recipes.front();
  } catch (const YAML::Exception& e) {
    throw InputError(path, e.mark.is_null() ? "" : "line " + std::to_string(e.mark.line + 1),
                     "not a recipe: " + e.msg);
  }
}

std::string describe_job_keys() {
  std::string out;
  describe_keys(out, "job", job_keys());
  describe_keys(out, "models[]", model_keys());
  out += describe_recipe_keys();
  describe_keys(out, "suites[]", suite_keys());
  describe_keys(out, "experiments[]", experiment_keys());
  describe_keys(out, "calibration", calibration_keys());
  describe_keys(out, "encoder", encoder_keys());
  describe_keys(out, "vote", vote_keys());
  describe_keys(out, "gate", gate_keys());
  describe_keys(out, "search", search_keys());
  return out;
}

}  // namespace brinkmap::schedule
