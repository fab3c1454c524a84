#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "schedule/error.h"

// Plain data that travels between the plan, the ranks and the store. Header-only: every layer above kernels
// may include it.
namespace brinkmap::schedule {

// kHeads: a part of an experiment of any kind, named after the first that there was.
enum class UnitKind : std::uint32_t { kPrompts, kHeads };

// The smallest piece of work a rank is given. A pure function of the job: rank, order and threads never
// change it.
struct Unit {
  std::uint32_t id = 0;  // position in Plan::units and in the store's unit table
  UnitKind kind{};
  std::uint32_t row = 0;    // index in Plan::rows
  std::uint32_t item = 0;   // index in Job::suites (kPrompts) or Job::experiments (kHeads)
  std::uint32_t begin = 0;  // [begin, end) of the prompts, seeds, blocks or repetitions
  std::uint32_t end = 0;
  double cost = 0;  // estimated seconds on one core
};
static_assert(std::is_trivially_copyable_v<Unit>);

// kF16: IEEE binary16, of hidden states in the file only. Units compute them as kF32 (worker/state_slabs.h).
enum class DType : std::uint8_t { kU8, kI32, kU32, kI64, kF32, kF64, kF16 };

constexpr std::size_t dtype_bytes(DType t) {
  switch (t) {
    case DType::kU8:
      return 1;
    case DType::kF16:
      return 2;
    case DType::kI32:
    case DType::kU32:
    case DType::kF32:
      return 4;
    case DType::kI64:
    case DType::kF64:
      return 8;
  }
  return 0;
}

template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, std::uint8_t>)
    return DType::kU8;
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return DType::kI32;
  else if constexpr (std::is_same_v<T, std::uint32_t>)
    return DType::kU32;
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return DType::kI64;
  else if constexpr (std::is_same_v<T, float>)
    return DType::kF32;
  else {
    static_assert(std::is_same_v<T, double>);
    return DType::kF64;
  }
}

// An axis of the result file. Axes of the same name are the same axis, with the same labels.
struct Dimension {
  std::string name;
  std::uint64_t size = 0;
  std::vector<std::string> labels;  // empty: the axis is its index
};

// One variable that the units of a suite or experiment fill. Its full shape is [row, sharded axis, inner...].
struct Field {
  std::string name;  // full variable name in the file: "<suite or experiment id>_<what>"
  DType dtype{};
  std::vector<Dimension> inner;
  std::string units;  // "1" for counts and flags, "nat", "token", ...
  std::string long_name;
  double fill = 0;                         // value where nothing was measured
  std::vector<std::string> flag_meanings;  // for kU8 codes 0, 1, 2, ...
  bool bulk = false;                       // on real jobs larger than memory, so never loaded as a whole
  bool timing = false;                     // differs from run to run: never part of a digest

  std::size_t item_bytes() const {
    std::size_t n = dtype_bytes(dtype);
    for (const Dimension& d : inner) n *= d.size;
    return n;
  }
};

// The bytes of one field for a unit's items: [end - begin, inner...].
struct Slab {
  std::vector<std::byte> bytes;
};

// Where a unit stands. The codes are the ones in the result file, which holds only the first three.
enum class UnitState : std::uint8_t { kTodo = 0, kDone = 1, kFailed = 2, kLeased = 3 };

// What a rank computed for a unit. `slabs` are in the order of the fields of the unit's item and are complete
// when `failed` is false; when it is true `reason` says why and the slabs are ignored.
struct UnitResult {
  std::uint32_t unit = 0;
  bool failed = false;
  std::string reason;
  std::vector<Slab> slabs;
  double seconds = 0;        // wall clock; never part of a digest
  std::uint64_t tokens = 0;  // tokens computed, for the progress line
};

// Typed access to the slabs of a result while a unit fills them. Sizes every slab and sets it to the fill
// value.
class SlabSet {
 public:
  SlabSet(std::span<const Field> fields, std::size_t items) : fields_(fields), slabs_(fields.size()) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      slabs_[i].bytes.resize(fields[i].item_bytes() * items);
      fill(fields[i], slabs_[i]);
    }
  }

  // All items of the field whose name ends with "_<what>"; throws Error when there is none or the type is
  // another.
  template <class T>
  std::span<T> get(const std::string& what) {
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      const std::string& name = fields_[i].name;
      if (name.size() > what.size() && name.ends_with(what) && name[name.size() - what.size() - 1] == '_') {
        if (fields_[i].dtype != dtype_of<T>()) throw Error("field " + name + " has another type");
        return {reinterpret_cast<T*>(slabs_[i].bytes.data()), slabs_[i].bytes.size() / sizeof(T)};
      }
    }
    throw Error("no field ends with _" + what);
  }

  bool has(const std::string& what) const {
    for (const Field& f : fields_)
      if (f.name.size() > what.size() && f.name.ends_with("_" + what)) return true;
    return false;
  }

  std::vector<Slab> take() { return std::move(slabs_); }

 private:
  template <class T>
  static void fill_as(double value, Slab& slab) {
    const T v = static_cast<T>(value);
    for (std::size_t at = 0; at + sizeof(T) <= slab.bytes.size(); at += sizeof(T))
      std::memcpy(slab.bytes.data() + at, &v, sizeof(T));
  }

  static void fill(const Field& f, Slab& slab) {
    switch (f.dtype) {
      case DType::kU8:
        return fill_as<std::uint8_t>(f.fill, slab);
      case DType::kI32:
        return fill_as<std::int32_t>(f.fill, slab);
      case DType::kU32:
        return fill_as<std::uint32_t>(f.fill, slab);
      case DType::kI64:
        return fill_as<std::int64_t>(f.fill, slab);
      case DType::kF32:
        return fill_as<float>(f.fill, slab);
      case DType::kF64:
        return fill_as<double>(f.fill, slab);
      case DType::kF16:
        return fill_as<std::uint16_t>(kNoHalf, slab);
    }
  }

  static constexpr std::uint16_t kNoHalf = 0x7e00;  // NaN in binary16, the only fill value of that type

  std::span<const Field> fields_;
  std::vector<Slab> slabs_;
};

// ---- facts about inputs, measured by the worker, used by the plan
// -------------------------------------------------

// A matrix of a model's blocks.
struct MatrixFacts {
  std::string name;  // "blk.0.attn_q"
  std::int64_t rows = 0, cols = 0;
};

struct ModelFacts {
  std::string sha256;            // of the model file
  std::string tokenizer_sha256;  // of the tokenizer's tables
  std::string architecture;
  std::uint64_t file_bytes = 0;
  std::uint64_t parameters = 0;
  int layers = 0;
  int width = 0;                     // hidden size
  std::int64_t attention_width = 0;  // width of the heads together, summed over the blocks with attention
  int vocab = 0;
  int context = 0;                    // longest sequence, tokens
  std::vector<MatrixFacts> matrices;  // by block, then by name
};

enum class Split : std::uint8_t { kTrain, kValidation, kTest, kNone };

// A line of evidence in a decision item's prompt.
struct Evidence {
  std::uint8_t label = 0;  // index in kEvidenceLabels
  std::uint8_t cited = 0;  // 1: the gold answer rests on it
};

// What a unit of prompts keeps of the states of its evidence lines, beside its pooled states.
struct TokenCapture {
  std::vector<int> blocks;  // tokens of all lines behind these blocks, one block a slot, any order
  bool means = false;       // the mean over each line's tokens, behind the blocks of the pooled states
  // For mechanistic probes: last token behind each of this many blocks and the first answer token's
  // distribution, no spans; 0: neither.
  int mechanism_depth = 0;

  bool any() const { return !blocks.empty() || means; }
};

// What the plan and the reduction need of a suite file. One entry per line, in file order.
struct SuiteFacts {
  std::string sha256;
  std::string phrases_sha256;  // of the phrase list that scores a refusal suite; empty elsewhere
  std::vector<std::string> ids;
  // refusal: 1 = should refuse; decision: Decision; choice: the right choice; bias: the unknown choice;
  // others: empty
  std::vector<std::uint8_t> expected;
  std::vector<Split> splits;          // decision suites; kNone elsewhere
  std::vector<std::string> groups;    // category or wrapper, for tables; may hold empty strings
  std::vector<std::string> variants;  // question that an item is one wording of; empty: none
  std::vector<std::uint8_t> choices;  // choice suites: number of choices of each item; empty elsewhere
  std::vector<std::vector<std::uint32_t>> tokens;  // [model][line] prompt tokens with template and BOS
  // Suites whose evidence an experiment reads; empty elsewhere.
  std::vector<std::vector<Evidence>> evidence;  // [line] in the order of the prompt
  std::vector<std::uint32_t> span_tokens;       // [model] tokens of all spans of an item, at most
};

// What the plan needs of a judge.
struct JudgeFacts {
  ModelFacts model;           // sha256 is empty when its labels come from a file
  std::string labels_sha256;  // of that file; empty for a model
};

// A line of a file with labels made elsewhere.
struct OutsideLabel {
  std::size_t line = 0;   // from 1
  std::string suite;      // id; empty: not said
  std::string row;        // label of the row
  std::string id;         // of the prompt
  std::string label;      // the judge's word
  std::string text_hash;  // SHA-256 of the answer's text, hex; empty: not said
  double weight = 1;      // answers that this one stands for
};

}  // namespace brinkmap::schedule
