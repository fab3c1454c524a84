#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "schedule/unit.h"

// Hidden states on their way to the result file and back. Units compute and read them in f32; a job may keep
// them in f16.
namespace brinkmap::worker {

// The same fields with f32 for f16: what a unit fills.
std::vector<schedule::Field> computed_fields(std::span<const schedule::Field> fields);

// Turns slabs of computed_fields(fields) into those of `fields`: to nearest even. A finite value that f16
// does not hold is not kept: it gets the fill value, and its item's field "..._state_status" says so. Throws
// Error when there is no such field, or a slab has another size.
void narrow_states(std::span<const schedule::Field> fields, std::size_t items,
                   std::vector<schedule::Slab>& slabs);

// f16 values as f32.
schedule::Slab widened(const schedule::Slab& half);

// Codes of "..._state_status".
enum class StateStatus : std::uint8_t { kKept = 0, kNotFinite = 1, kBeyondF16 = 2 };

// Sets item `at` of the fields "..._state_status" and "..._content_hash": SHA-256 of `row_content` (see
// schedule::row_content) and the prompt's token ids, each as four bytes, lowest first.
void record_states(std::string_view row_content, std::span<const std::int32_t> prompt, bool finite,
                   std::size_t at, schedule::SlabSet& slabs);

}  // namespace brinkmap::worker
