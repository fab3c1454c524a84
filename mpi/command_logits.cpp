#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <bit>
#include <memory>
#include <nlohmann/json.hpp>

#include "mpi/command_options.h"
#include "mpi/commands.h"
#include "mpi/read_text.h"

namespace brinkmap::mpi {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "the file format is little-endian");

// [1, 2, 3] or [[1, 2], [3]]; every sequence begins at position 0.
std::vector<std::vector<std::int32_t>> sequences_of(const std::string& path) {
  try {
    const json j = json::parse(read_text(path));
    if (j.is_array() && !j.empty() && j[0].is_array()) return j.get<std::vector<std::vector<std::int32_t>>>();
    if (j.is_array() && !j.empty()) return {j.get<std::vector<std::int32_t>>()};
  } catch (const json::exception& e) {
    throw InputError(path, "", std::string("expected token ids: ") + e.what());
  }
  throw InputError(path, "", "expected a JSON array of token ids, or of such arrays");
}

}  // namespace

void add_logits(CLI::App& root, Invocation& invocation) {
  struct Options {
    ModelOptions model;
    std::string tokens, out;
  };
  auto o = std::make_shared<Options>();
  CLI::App* command =
      root.add_subcommand("logits", "Logits at all positions: check the engine against another");
  add_model_options(*command, o->model);
  command->add_option("--tokens", o->tokens, "JSON array of token ids, or of several such arrays")
      ->required();
  command->add_option("-o,--output", o->out, "file to write: little-endian f32, [position, vocab], row-major")
      ->required();
  command->footer("Example:\n  brinkmap logits model.gguf --recipe q4_k_m --tokens ids.json -o logits.f32");
  command->callback([o, &invocation] {
    invocation.action = [o] {
      const auto sequences = sequences_of(o->tokens);
      kernels::ThreadPool pool(o->model.pool_size());
      worker::Engine engine(o->model.load(pool), o->model.engine_options(), pool);
      std::string bytes;
      std::size_t positions = 0;
      for (const std::vector<std::int32_t>& ids : sequences) {
        if (ids.empty()) throw InputError(o->tokens, "", "expected at least one token in each sequence");
        const std::vector<float> logits = engine.logits(ids);
        bytes.append(reinterpret_cast<const char*>(logits.data()), logits.size() * sizeof(float));
        positions += ids.size();
      }
      write_text(o->out, bytes);
      fmt::print("{}: {} positions, {} values each\n", o->out, positions,
                 bytes.size() / sizeof(float) / positions);
      return kExitDone;
    };
  });
}

}  // namespace brinkmap::mpi
