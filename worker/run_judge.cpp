#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "schedule/error.h"
#include "worker/hash.h"
#include "worker/run_experiment.h"

namespace brinkmap::worker {
namespace {

using schedule::JudgeOutcome;

constexpr std::size_t kHashBytes = 32;

// The answers of a unit as they are in the store.
struct Answers {
  std::size_t n = 0;
  std::span<const std::uint8_t> finite, hash;

  explicit Answers(const ExperimentUnit& u)
      : n(u.unit.end - u.unit.begin), finite(u.input<std::uint8_t>(0)), hash(u.input<std::uint8_t>(1)) {
    if (finite.size() != n || hash.size() != n * kHashBytes || u.unit.end > u.suite.items.size())
      throw Error(fmt::format("{}: answers of {} and {} bytes do not fit {} prompts", u.spec.id,
                              finite.size(), hash.size(), n));
  }
  std::span<const std::uint8_t> hash_of(std::size_t i) const {
    return hash.subspan(i * kHashBytes, kHashBytes);
  }
};

std::string hex(std::span<const std::uint8_t> bytes) {
  std::string out;
  for (const std::uint8_t b : bytes) out += fmt::format("{:02x}", b);
  return out;
}

std::uint8_t code(JudgeOutcome outcome) { return static_cast<std::uint8_t>(outcome); }

}  // namespace

void run_judge(const ExperimentUnit& u, const Tokenizer& tokenizer, const LabelTexts& label) {
  const Answers answers(u);
  const auto tokens = u.input<std::int32_t>(2), counts = u.input<std::int32_t>(3);
  const auto positions = static_cast<std::size_t>(u.suite.spec.max_new_tokens);
  if (tokens.size() != answers.n * positions || counts.size() != answers.n)
    throw Error(fmt::format("{}: {} tokens do not fit {} answers", u.spec.id, tokens.size(), answers.n));
  const auto outcome = u.slabs.get<std::uint8_t>("outcome"), chosen = u.slabs.get<std::uint8_t>("label");
  std::vector<JudgedText> texts;
  std::vector<std::size_t> item_of;  // of each text
  for (std::size_t i = 0; i < answers.n; ++i) {
    const SuiteItem& item = u.suite.items[u.unit.begin + i];
    outcome[i] = code(JudgeOutcome::kNoAnswer);
    if (answers.finite[i] != 1) continue;
    if (counts[i] < 0 || static_cast<std::size_t>(counts[i]) > positions)
      throw Error(fmt::format("{}: the answer to {} has an impossible number of tokens", u.spec.id, item.id));
    JudgedText text{item.prompt,
                    tokenizer.decode(tokens.subspan(i * positions, static_cast<std::size_t>(counts[i])))};
    if (sha256_hex(text.response) != hex(answers.hash_of(i)))
      throw Error(
          fmt::format("{}: the answer to {} decodes to another text than was hashed", u.spec.id, item.id));
    texts.push_back(std::move(text));
    item_of.push_back(i);
  }
  const std::vector<TextLabel> labels = label(texts);
  if (labels.size() != texts.size()) throw Error(u.spec.id + ": the judge gave another number of labels");
  const auto log_prob = u.slabs.get<double>("log_prob"), margin = u.slabs.get<double>("margin");
  const std::size_t words = u.spec.judge.labels.size();
  for (std::size_t t = 0; t < labels.size(); ++t) {
    const std::size_t i = item_of[t];
    outcome[i] = code(labels[t].outcome);
    if (labels[t].outcome != JudgeOutcome::kLabelled) continue;
    chosen[i] = labels[t].label;
    margin[i] = labels[t].margin;
    if (labels[t].log_probs.size() != words) throw Error(u.spec.id + ": a label without its probabilities");
    std::copy(labels[t].log_probs.begin(), labels[t].log_probs.end(),
              log_prob.begin() + static_cast<std::ptrdiff_t>(i * words));
  }
}

void run_imported_labels(const ExperimentUnit& u, const std::string& row_label,
                         std::span<const schedule::OutsideLabel> lines) {
  const Answers answers(u);
  std::map<std::string, const schedule::OutsideLabel*> by_id;
  for (const schedule::OutsideLabel& line : lines)
    if (line.row == row_label && (line.suite.empty() || line.suite == u.suite.spec.id) && !line.label.empty())
      by_id[line.id] = &line;
  const auto outcome = u.slabs.get<std::uint8_t>("outcome"), chosen = u.slabs.get<std::uint8_t>("label");
  const auto weight = u.slabs.get<double>("weight");
  for (std::size_t i = 0; i < answers.n; ++i) {
    const auto found = by_id.find(u.suite.items[u.unit.begin + i].id);
    if (found == by_id.end()) {
      outcome[i] = code(JudgeOutcome::kNotLabelled);
      continue;
    }
    const schedule::OutsideLabel& line = *found->second;
    const std::string where = fmt::format("line {}", line.line);
    outcome[i] = code(JudgeOutcome::kNoAnswer);
    if (answers.finite[i] != 1) continue;
    if (!line.text_hash.empty() && line.text_hash != hex(answers.hash_of(i)))
      throw InputError(
          u.spec.judge.labels_file, where,
          fmt::format("is a label of another answer of {} to {}: its text_hash is not the hash of "
                      "the answer in this run",
                      row_label, line.id));
    const auto& words = u.spec.judge.labels;
    const auto at = std::find_if(words.begin(), words.end(),
                                 [&](const schedule::JudgeLabel& l) { return l.word == line.label; });
    if (at == words.end()) throw InputError(u.spec.judge.labels_file, where, "unknown label " + line.label);
    outcome[i] = code(JudgeOutcome::kLabelled);
    chosen[i] = static_cast<std::uint8_t>(at - words.begin());
    weight[i] = line.weight;
  }
}

}  // namespace brinkmap::worker
