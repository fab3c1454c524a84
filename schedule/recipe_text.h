#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schedule/key.h"

// Recipes as a job file writes them: a name, or the map of a hybrid, which becomes one string that says the
// same (worker/hybrid.h reads it). Everything behind the file reader sees that string only.
namespace brinkmap::schedule {

// A name, the string of a hybrid, a map {hybrid: ...}, or a map {each: ...}, which is several recipes, one
// for each entry of `to`: "bf16+nf4(each,module)". What the model consists of decides how many rows such a
// one becomes (worker/hybrid.h). Throws InputError with the line.
std::vector<std::string> read_recipes(const Place& place, const YAML::Node& node);

// A recipe as tables and row labels show it: one listed module by its name, several shortened to their number
// and a hash.
std::string recipe_label(std::string_view recipe);

// The keys of the maps, for help.
std::string describe_recipe_keys();

}  // namespace brinkmap::schedule
