#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schedule/unit.h"

// Labels made elsewhere: JSONL, one object a line with "row" (the row's label), "id" (of the prompt), "label"
// (empty: not labelled yet), and perhaps "suite", "text_hash" (64 hex digits) and "weight" (a number above
// 0). Other fields are kept out of it: a sample that was written for labelling reads back as it is.
namespace brinkmap::worker {

// Throws InputError with the line for what is no such object. Blank lines are skipped.
std::vector<schedule::OutsideLabel> parse_labels(const std::string& file, std::string_view text);

// The same from a file of at most kMaxSuiteFile bytes.
std::vector<schedule::OutsideLabel> read_labels(const std::string& path);

// The same from a file whose bytes had this SHA-256 when the job was prepared; InputError when it changed.
std::vector<schedule::OutsideLabel> read_labels(const std::string& path, const std::string& sha256);

}  // namespace brinkmap::worker
