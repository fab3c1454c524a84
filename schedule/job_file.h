#pragma once

#include <string>
#include <string_view>

#include "schedule/job.h"

// Reading job files: YAML with strict keys. Every key is declared once, in schedule/job_keys.cpp; the
// declaration drives parsing, checking, the help text and the canonical text of a job.
namespace brinkmap::schedule {

// Parses and checks a job. `path` names the file in errors and anchors relative paths in it. Throws
// InputError with the line for an unknown, missing, repeated or ill-typed key, a value out of range, ids that
// clash, a baseline that is not among the recipes, a suite that is not there. Recipe names are not known
// here: the caller checks them against the worker's list.
Job parse_job(std::string_view text, const std::string& path);

// Reads at most 1 MiB from `path` and parses it. Also throws InputError for a rule of the gate that nothing
// in the job measures (of stored jobs and of a search's stages parse_job does not ask that).
Job read_job(const std::string& path);

// Where a key of a job stands, for errors that are found after it was read: "line 7: models[0].path"; in a
// list the line of `entry`, where there is one. `index` below 0: `part` is a map. Without the line where the
// file does not hold the job's text (a search writes that of its stages itself).
std::string place_in_file(const Job& job, const std::string& part, int index, const std::string& key,
                          const std::string& entry = "");

// Reads a file with one recipe, as an entry of `recipes` would be (schedule/recipe_text.h); gives its string.
std::string read_recipe_file(const std::string& path);

// All keys with type, range, default and meaning, as plain text for --help and the README.
std::string describe_job_keys();

}  // namespace brinkmap::schedule
