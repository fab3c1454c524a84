#pragma once

#include <string>

#include "mpi/result_file.h"

namespace brinkmap::mpi {

struct CheckedFile {
  FileHead head;
  schedule::Results results;
};

// A result file for the commands that judge it. Verdicts and reports stand on prompts and heads: where a
// finished file's row values say something else than these give, its units lack their checksums, or an
// unfinished one's values cannot be, the file was changed by hand, or by another version of the program;
// neither may be judged. Throws InputError with the name of the variable or the unit.
CheckedFile read_checked(const std::string& path);

// Throws InputError when a file is marked complete while units are left.
void check_complete(const std::string& path, const FileHead& head, const schedule::Results& results);

}  // namespace brinkmap::mpi
