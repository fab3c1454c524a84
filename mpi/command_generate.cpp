#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "mpi/command_options.h"
#include "mpi/commands.h"
#include "worker/chat_template.h"
#include "worker/prompt.h"
#include "worker/tokenizer.h"

namespace brinkmap::mpi {
namespace {

struct GenerateOptions {
  ModelOptions model;
  std::string prompt;
  std::string prompt_template = "{prompt}";
  bool chat = false;
  int max_new_tokens = 64;
  bool json = false;
};

int generate(const GenerateOptions& o) {
  kernels::ThreadPool pool(o.model.pool_size());
  const auto model = o.model.load(pool);
  const auto tokenizer = worker::Tokenizer::from_gguf(*model->row.file);
  worker::EngineOptions engine_options = o.model.engine_options();
  for (std::int32_t id = 0; id < tokenizer->size(); ++id)
    if (tokenizer->is_end(id)) engine_options.end_tokens.push_back(id);
  worker::Engine engine(model, engine_options, pool);
  worker::Request request;
  const worker::PromptTemplate around =
      worker::prompt_template(*model->row.file, o.chat ? schedule::kChatTemplate : o.prompt_template);
  request.prompt = worker::prompt_tokens(*tokenizer, around, o.prompt);
  request.max_new_tokens = o.max_new_tokens;
  const worker::Response response = engine.run({&request, 1}).at(0);
  const std::string text = tokenizer->decode(response.tokens);
  if (o.json) {
    const nlohmann::json j{
        {"prompt_tokens", request.prompt}, {"tokens", response.tokens}, {"text", text},
        {"ended", response.ended},         {"finite", response.finite}, {"recipe", o.model.recipe}};
    fmt::print("{}\n", j.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print("{}\n", text);
  }
  return kExitDone;
}

}  // namespace

void add_generate(CLI::App& root, Invocation& invocation) {
  auto o = std::make_shared<GenerateOptions>();
  CLI::App* command = root.add_subcommand("generate", "Answer one prompt, greedily: a look at a row");
  add_model_options(*command, o->model);
  command->add_option("-p,--prompt", o->prompt, "the prompt")->required();
  command->add_option("--template", o->prompt_template, "text around the prompt, with {prompt}")
      ->capture_default_str();
  command->add_flag("--chat", o->chat, "put the model's own chat template around the prompt, thinking off")
      ->excludes("--template");
  command->add_option("--max-new-tokens", o->max_new_tokens, "stop after so many tokens")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->add_flag("--json", o->json, "tokens and text as JSON");
  command->footer("Example:\n  brinkmap generate model.gguf --recipe q2_k -p 'Hello'");
  command->callback([o, &invocation] { invocation.action = [o] { return generate(*o); }; });
}

}  // namespace brinkmap::mpi
