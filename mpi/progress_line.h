#pragma once

#include <string>

#include "mpi/coordinator.h"

namespace brinkmap::mpi {

// "120/480 units, 2/7 rows, 1234 tokens/s, 0:41 left"
std::string describe(const Progress& progress);

// The progress line of rank 0 on stderr: rewritten in place on a terminal, a new line every few seconds
// elsewhere.
class ProgressLine {
 public:
  ProgressLine();
  void show(const Progress& progress);
  void end();  // leaves the last state on a line of its own

 private:
  void print(const char* end);

  bool terminal_ = false;
  double shown_ = 0;
  std::string last_;
};

}  // namespace brinkmap::mpi
