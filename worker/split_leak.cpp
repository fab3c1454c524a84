#include "worker/split_leak.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "schedule/error.h"
#include "worker/hash.h"
#include "worker/text_words.h"

namespace brinkmap::worker {

namespace {

constexpr std::string_view kSides[] = {"train", "validation", "test", "none"};

std::string described(const Suite& suite, std::size_t i) {
  const SuiteItem& item = suite.items[i];
  return fmt::format("item {} of split {} in line {}", item.id, kSides[static_cast<std::size_t>(item.split)],
                     item.line);
}

// Of the words of a prompt, line by line, whatever the order of the lines.
std::string fingerprint(std::string_view prompt) {
  std::vector<std::string> lines;
  while (!prompt.empty()) {
    const std::size_t end = std::min(prompt.find('\n'), prompt.size());
    std::string& line = lines.emplace_back();
    for (const std::string& word : words(prompt.substr(0, end))) line += word + ' ';
    prompt.remove_prefix(std::min(end + 1, prompt.size()));
  }
  std::sort(lines.begin(), lines.end());
  std::string all;
  for (const std::string& line : lines)
    if (!line.empty()) all += line + '\n';
  return sha256_hex(all);
}

// Items that share a key stand on one side.
class Apart {
 public:
  explicit Apart(const Suite& suite) : suite_(suite) {}

  // `shared` and `shown` say what the key is.
  void add(std::string key, std::size_t i, std::string_view shared, std::string_view shown) {
    const std::size_t first = first_.try_emplace(std::move(key), i).first->second;
    if (suite_.items[first].split == suite_.items[i].split) return;
    throw InputError(suite_.spec.file, fmt::format("line {}", suite_.items[i].line),
                     fmt::format("{} and {} have the same {}{}: what trains the heads must not judge them",
                                 described(suite_, i), described(suite_, first), shared, shown));
  }

 private:
  const Suite& suite_;
  std::unordered_map<std::string, std::size_t> first_;  // item of each key
};

}  // namespace

void check_split(const Suite& suite) {
  Apart groups(suite), prompts(suite);
  for (std::size_t i = 0; i < suite.items.size(); ++i) {
    groups.add(suite.items[i].group, i, "action_group ", suite.items[i].group);
    prompts.add(fingerprint(suite.items[i].prompt), i, "prompt",
                ", but for case, punctuation and the order of its lines");
  }
}

}  // namespace brinkmap::worker
