#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "mpi/commands.h"
#include "mpi/read_text.h"
#include "schedule/error.h"
#include "worker/tokenizer.h"

namespace brinkmap::mpi {
namespace {

using nlohmann::json;

// A JSON array of strings, or of objects whose "text" is a string.
std::vector<std::string> strings_of(const std::string& path) {
  json j;
  try {
    j = json::parse(read_text(path));
  } catch (const json::exception& e) {
    throw InputError(path, "", std::string("expected JSON: ") + e.what());
  }
  if (!j.is_array()) throw InputError(path, "", "expected a JSON array of strings");
  std::vector<std::string> strings;
  for (const json& entry : j) {
    const json& text = entry.is_object() && entry.contains("text") ? entry["text"] : entry;
    if (!text.is_string())
      throw InputError(path, "entry " + std::to_string(strings.size()),
                       "expected a string, found " + entry.dump());
    strings.push_back(text.get<std::string>());
  }
  return strings;
}

}  // namespace

void add_tokenize(CLI::App& root, Invocation& invocation) {
  struct Options {
    std::string model, file;
    bool special = false, json = false;
  };
  auto o = std::make_shared<Options>();
  CLI::App* command = root.add_subcommand("tokenize", "Token ids of strings");
  command->add_option("MODEL", o->model, "GGUF file or Hugging Face folder with a tokenizer")->required();
  command->add_option("--file", o->file, "JSON array of strings (or of objects with \"text\")")->required();
  command->add_flag("--special", o->special,
                    "add BOS/EOS as the vocabulary asks and recognise control tokens");
  command->add_flag("--json", o->json, "a JSON array of arrays; else a line of ids a string");
  command->footer("Example:\n  brinkmap tokenize model.gguf --file strings.json --json");
  command->callback([o, &invocation] {
    invocation.action = [o] {
      const auto tokenizer = worker::Tokenizer::from_gguf(*worker::Checkpoint::open(o->model));
      json all = json::array();
      for (const std::string& text : strings_of(o->file))
        all.push_back(tokenizer->encode(text, o->special, o->special));
      if (o->json) {
        fmt::print("{}\n", all.dump());
      } else {
        for (const json& ids : all) fmt::print("{}\n", fmt::join(ids.get<std::vector<std::int32_t>>(), " "));
      }
      return kExitDone;
    };
  });
}

}  // namespace brinkmap::mpi
