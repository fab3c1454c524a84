#pragma once

#include <string>
#include <string_view>

#include "worker/checkpoint.h"
#include "worker/jinja_value.h"
#include "worker/prompt.h"

// Chat templates: the Jinja text that a checkpoint carries (tokenizer.chat_template). No Debian package
// renders Jinja from C++, so a subset of it is here, with the semantics of Jinja 3 as transformers sets it up
// (worker/jinja_*.h). It covers the templates of llama 2 and 3, mistral, qwen 2 to 3.5, phi-3, gemma 2 and 3,
// SmolLM2 and zephyr; anything else is an error that quotes the line and the construct.
namespace brinkmap::worker {

// Renders a template with any variables. Throws InputError naming `file` and the line.
std::string render_chat_template(const std::string& file, std::string_view source,
                                 const jinja::Dict& variables);

// What the checkpoint's own template puts around one user's message and before the answer, with thinking off
// where the template has that switch (enable_thinking). Throws InputError when the checkpoint has no
// template, when the template is outside the subset, and when it does more to a message than trim it.
PromptTemplate chat_prompt_template(const Checkpoint& file);

// A job's `template` key (schedule::ModelSpec::prompt_template): "chat", or text with {prompt}.
PromptTemplate prompt_template(const Checkpoint& file, const std::string& spec);

// The convention that a template follows, by the marks it prints: "chatml", "llama-3", "gemma", "inst",
// "user-tag"; "other" when it prints none of theirs.
std::string_view chat_template_kind(const PromptTemplate& chat);

}  // namespace brinkmap::worker
