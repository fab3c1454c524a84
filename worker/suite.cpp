#include "worker/suite.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <unordered_map>

#include "schedule/error.h"
#include "worker/decision_parser.h"
#include "worker/hash.h"
#include "worker/read_file.h"
#include "worker/refusal_scorer.h"
#include "worker/split_leak.h"
#include "worker/suite_line.h"

namespace brinkmap::worker {

namespace {

using schedule::Split;
using schedule::SuiteKind;

constexpr std::array<std::string_view, 3> kSplits{"train", "validation", "test"};
constexpr std::array<std::string_view, 2> kExpected{"answer", "refuse"};  // index = SuiteFacts::expected
constexpr std::size_t kMostEvidence = 250;    // lines of a decision item; their order is kept in bytes
constexpr std::size_t kMostReferences = 100;  // of a truthfulness item, on either side

SuiteItem parse_item(const std::string& file, std::size_t number, SuiteKind kind, std::string_view text) {
  const SuiteLine line(file, number, text);
  SuiteItem item;
  item.line = number;
  item.json = text;
  item.id = line.text("id");
  // Ids become labels of the result file.
  if (item.id.find('\0') != std::string::npos) line.fail("field \"id\" holds a zero byte");
  if (kind == SuiteKind::kPerplexity) {
    item.prompt = line.text("text");
    return item;
  }
  item.prompt = line.text("prompt");
  item.variant = line.text_or_empty("variant_of");
  item.group = line.text_or_empty("category");
  switch (kind) {
    case SuiteKind::kRefusal:
      item.expected = line.one_of("expect", kExpected);
      if (std::string wrapper = line.text_or_empty("wrapper"); !wrapper.empty()) item.group = wrapper;
      break;
    case SuiteKind::kDecision:
      item.expected = line.one_of("label", kDecisionLabels);
      item.split = static_cast<Split>(line.one_of("split", kSplits));
      item.group = line.text("action_group");
      item.evidence = line.evidence("evidence", kMostEvidence);
      break;
    case SuiteKind::kTruthfulness:
      item.correct = line.texts("correct", 1, kMostReferences);
      item.incorrect = line.texts("incorrect", 1, kMostReferences);
      break;
    case SuiteKind::kBias:
      item.choices = line.texts("choices", schedule::kBiasChoices, schedule::kBiasChoices);
      item.expected = line.index("unknown", item.choices.size());
      item.stereotyped = line.index("stereotyped", item.choices.size());
      if (item.stereotyped == item.expected)
        line.fail("fields \"unknown\" and \"stereotyped\" name the same choice");
      break;
    case SuiteKind::kChoice:
      item.choices = line.texts("choices", 2, schedule::kMostChoices);
      item.expected = line.index("answer", item.choices.size());
      break;
    case SuiteKind::kQuality:
      item.reference = line.text("reference");
      break;
    case SuiteKind::kPerplexity:
      break;
  }
  return item;
}
static_assert(static_cast<int>(Split::kTrain) == 0 && static_cast<int>(Split::kTest) == 2);

}  // namespace

namespace {

void keep_half(Suite& suite) {
  const schedule::Half half = suite.spec.half;
  if (half == schedule::Half::kAll) return;
  std::erase_if(suite.items, [&](const SuiteItem& item) {
    const std::string& key = suite.spec.kind == SuiteKind::kDecision ? item.group
                             : !item.variant.empty()                 ? item.variant
                                                                     : item.id;
    Sha256 hash;
    hash.update(key);
    return (hash.digest().back() & 1) != (half == schedule::Half::kSecond ? 1 : 0);
  });
  if (suite.items.empty())
    throw InputError(suite.spec.file, "",
                     fmt::format("expected items in both halves, found none in the {} one",
                                 half == schedule::Half::kFirst ? "first" : "second"));
}

}  // namespace

Suite read_suite(const schedule::SuiteSpec& spec) {
  return parse_suite(spec, read_file(spec.file, kMaxSuiteFile));
}

Suite parse_suite(const schedule::SuiteSpec& spec, std::string_view text) {
  Suite suite;
  suite.spec = spec;
  suite.sha256 = sha256_hex(text);
  std::unordered_map<std::string, std::size_t> first_line;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line_text = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line_text.ends_with('\r')) line_text.remove_suffix(1);
    suite.items.push_back(parse_item(spec.file, ++number, spec.kind, line_text));
    const std::string& id = suite.items.back().id;
    if (const auto [it, fresh] = first_line.emplace(id, number); !fresh)
      throw InputError(spec.file, fmt::format("line {}", number),
                       fmt::format("id \"{}\" stands in line {} too", id, it->second));
  }
  if (suite.items.empty()) throw InputError(spec.file, "", "expected at least one line, found none");
  keep_half(suite);
  return suite;
}

void check_for_heads(const Suite& suite) {
  const std::string& file = suite.spec.file;
  if (suite.spec.kind != SuiteKind::kDecision)
    throw InputError(file, "", fmt::format("suite {}: decision heads need a decision suite", suite.spec.id));
  std::array<std::size_t, schedule::kDecisionClasses> in_train{};
  std::array<std::size_t, kSplits.size()> on_side{};
  const std::vector<std::uint8_t> labels = expected_answers(suite);
  for (std::size_t i = 0; i < suite.items.size(); ++i) {
    const SuiteItem& item = suite.items[i];
    ++on_side[static_cast<std::size_t>(item.split)];
    if (item.split == Split::kTrain) ++in_train[labels[i]];
  }
  check_split(suite);
  for (std::size_t c = 0; c < in_train.size(); ++c)
    if (in_train[c] == 0)
      throw InputError(
          file, "",
          fmt::format("decision heads need every label in split train: {} is missing", kDecisionLabels[c]));
  for (std::size_t side = 0; side < on_side.size(); ++side)
    if (on_side[side] == 0)
      throw InputError(file, "",
                       fmt::format("decision heads need items in split {}: there are none", kSplits[side]));
}

std::vector<std::uint8_t> expected_answers(const Suite& suite) {
  switch (suite.spec.kind) {
    case SuiteKind::kPerplexity:
    case SuiteKind::kTruthfulness:
    case SuiteKind::kQuality:
      return {};
    case SuiteKind::kRefusal:
    case SuiteKind::kDecision:
    case SuiteKind::kBias:
    case SuiteKind::kChoice:
      break;
  }
  std::vector<std::uint8_t> expected;
  for (const SuiteItem& item : suite.items) expected.push_back(static_cast<std::uint8_t>(item.expected));
  return expected;
}

schedule::SuiteFacts suite_facts(const Suite& suite) {
  schedule::SuiteFacts facts;
  facts.sha256 = suite.sha256;
  if (suite.spec.kind == SuiteKind::kRefusal)
    facts.phrases_sha256 = RefusalScorer::load(suite.spec.phrases).sha256();
  facts.expected = expected_answers(suite);
  for (const SuiteItem& item : suite.items) {
    facts.ids.push_back(item.id);
    facts.splits.push_back(item.split);
    facts.groups.push_back(item.group);
    facts.variants.push_back(item.variant);
    if (suite.spec.kind == SuiteKind::kChoice)
      facts.choices.push_back(static_cast<std::uint8_t>(item.choices.size()));
  }
  return facts;
}

}  // namespace brinkmap::worker
