#include "schedule/recipe_parts.h"

#include <vector>

namespace brinkmap::schedule {

std::optional<RecipeParts> recipe_parts(std::string_view recipe) {
  const std::size_t plus = recipe.find('+'), open = recipe.find('('), close = recipe.find(')');
  if (plus == std::string_view::npos || open == std::string_view::npos || open < plus || recipe.empty() ||
      close + 1 != recipe.size())
    return std::nullopt;
  RecipeParts out;
  out.rest = recipe.substr(0, plus);
  out.keep = recipe.substr(plus + 1, open - plus - 1);
  std::vector<std::string> words(1);
  for (const char c : recipe.substr(open + 1, close - open - 1)) {
    if (c == ',')
      words.emplace_back();
    else
      words.back() += c;
  }
  out.by = words[0];
  const bool named = out.by == "list" || out.by == "type" || out.by == "block";
  if (named && words.size() == 2) out.of = words[1];
  for (std::size_t i = 1; !named && i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "top" || word == "bottom")
      out.side = word;
    else if (word.ends_with('%') || word.ends_with("MB"))
      out.amount = word;
    else if (word == "model")
      out.within_model = true;
  }
  return out;
}

}  // namespace brinkmap::schedule
