#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace brinkmap::schedule {

// What the string of a hybrid with one selection says, for tables and statistics; worker/hybrid.h has the
// grammar and makes the row.
struct RecipeParts {
  std::string rest, keep;
  std::string by;             // "alpha", "random", "list", "type", ...
  std::string side;           // "top", "bottom"; empty where the selection has none
  std::string amount;         // "25%", "6400MB"; empty where it has none
  bool within_model = false;  // matrices are compared with all others
  std::string of;             // the one listed module, the type, the block

  // What two selections share that are compared at equal size.
  std::string frame() const { return rest + "+" + keep + "(" + amount + (within_model ? ",model)" : ")"); }
};

// Nothing for a recipe that is no hybrid, or joins more than two recipes.
std::optional<RecipeParts> recipe_parts(std::string_view recipe);

}  // namespace brinkmap::schedule
