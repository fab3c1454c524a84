#pragma once

#include <span>
#include <string>
#include <string_view>

// Spelling help for unknown keys, options, recipes and commands.
namespace brinkmap::schedule {

// The candidate with the smallest edit distance (insert, delete, replace, swap of neighbours; ASCII case
// ignored). Empty when there is none within a third of the longer word (at least 1). Ties: the first
// candidate.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

// "unknown key 'sead' (did you mean 'seed'?)", or the list of all candidates when none is near.
std::string unknown_name(std::string_view what, std::string_view word,
                         std::span<const std::string> candidates);

}  // namespace brinkmap::schedule
