#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "schedule/job.h"
#include "worker/tokenizer.h"

namespace brinkmap::worker {

// The tokens that calibrated recipes (awq-*, gptq-*) look at while they choose codes.
struct Calibration {
  std::int64_t length = 0;                           // tokens of every sequence
  std::vector<std::vector<std::int32_t>> sequences;  // empty: the job has no calibration text
};

// The text's lines that are not blank, each encoded as a text of its own (BOS and EOS as the vocabulary asks,
// no control tokens inside), one after the other, cut into spec.sequences pieces of spec.length tokens. What
// is left over is not used. Throws InputError when the text is too short, naming how many pieces it has.
Calibration make_calibration(const schedule::CalibrationSpec& spec, std::string_view text,
                             const Tokenizer& tokenizer);

// Reads spec.file. Throws InputError when it cannot be read, is above 256 MiB or is not as above.
Calibration read_calibration(const schedule::CalibrationSpec& spec, const Tokenizer& tokenizer);

}  // namespace brinkmap::worker
