#include "worker/text_judge.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "schedule/error.h"
#include "worker/chat_template.h"
#include "worker/engine.h"
#include "worker/model.h"
#include "worker/recipe.h"

namespace brinkmap::worker {
namespace {

using schedule::JudgeOutcome;
using schedule::JudgeSpec;

constexpr std::string_view kPrompt = "{prompt}", kResponse = "{response}";

std::vector<Continuation> continuations(const Tokenizer& tokenizer, const PromptTemplate& around,
                                        const JudgeSpec& spec) {
  std::vector<std::string_view> words;
  for (const schedule::JudgeLabel& label : spec.labels) words.push_back(label.word);
  std::vector<Continuation> out = label_continuations(tokenizer, around, "", words);
  // A label that begins another can never be the less likely one.
  for (std::size_t a = 0; a < out.size(); ++a)
    for (std::size_t b = 0; b < out.size(); ++b)
      if (a != b && out[a].tokens.size() <= out[b].tokens.size() &&
          std::equal(out[a].tokens.begin(), out[a].tokens.end(), out[b].tokens.begin()))
        throw Error("the tokens of " + std::string(words[a]) + " begin those of another label, " +
                    std::string(words[b]));
  return out;
}

EngineOptions options() {
  EngineOptions o;
  o.activations = kernels::ActivationBatch::Kind::kF32;
  return o;
}

TextLabel read_label(const Response& response, std::size_t labels) {
  const std::vector<double>& p = response.continuation_log_probs;
  if (p.size() != labels) throw Error("the judge gave another number of log-probabilities");
  TextLabel out;
  out.outcome = JudgeOutcome::kNotFinite;
  if (!response.finite || std::any_of(p.begin(), p.end(), [](double x) { return !std::isfinite(x); }))
    return out;
  out.outcome = JudgeOutcome::kLabelled;
  const auto best = std::max_element(p.begin(), p.end());
  out.label = static_cast<std::uint8_t>(best - p.begin());
  double next = -std::numeric_limits<double>::infinity();
  for (auto other = p.begin(); other != p.end(); ++other)
    if (other != best) next = std::max(next, *other);
  out.margin = *best - next;
  out.log_probs = p;
  return out;
}

}  // namespace

JudgePrompt judge_prompt(const Checkpoint& file, const JudgeSpec& spec) {
  if (spec.prompt_template == schedule::kChatTemplate) return {chat_prompt_template(file), spec.question};
  const std::string& text = spec.prompt_template;
  const std::size_t prompt = text.find(kPrompt), response = text.find(kResponse);
  if (response == std::string::npos) throw Error("template of a judge: expected {response}, found none");
  const std::size_t first = std::min(prompt, response);
  std::size_t end = response + kResponse.size();
  if (prompt != std::string::npos) end = std::max(end, prompt + kPrompt.size());
  return {{text.substr(0, first), text.substr(end)}, text.substr(first, end - first)};
}

std::string filled(const std::string& between, const JudgedText& text) {
  std::string out;
  for (std::size_t at = 0; at < between.size();) {
    const std::string_view rest = std::string_view(between).substr(at);
    if (rest.starts_with(kPrompt)) {
      out += text.prompt;
      at += kPrompt.size();
    } else if (rest.starts_with(kResponse)) {
      out += text.response;
      at += kResponse.size();
    } else {
      out += between[at++];
    }
  }
  return out;
}

struct TextJudge::Impl {
  std::shared_ptr<const Checkpoint> file;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const Model> model;
  Engine engine;

  Impl(const std::string& path, kernels::ThreadPool& pool)
      : file(Checkpoint::open(path)),
        tokenizer(Tokenizer::from_gguf(*file)),
        model(load_model(make_row(file, "as-is", pool))),
        engine(model, options(), pool) {}
};

TextJudge::TextJudge(const std::string& path, kernels::ThreadPool& pool)
    : impl_(std::make_unique<Impl>(path, pool)) {}

TextJudge::~TextJudge() = default;

std::uint64_t TextJudge::tokens_computed() const noexcept { return impl_->engine.tokens_computed(); }

std::vector<TextLabel> TextJudge::label(const JudgeSpec& spec, std::span<const JudgedText> texts) {
  const JudgePrompt prompt = judge_prompt(*impl_->file, spec);
  const std::vector<Continuation> labels = continuations(*impl_->tokenizer, prompt.around, spec);
  std::size_t longest = 0;
  for (const Continuation& c : labels) longest = std::max(longest, c.tokens.size());
  std::vector<TextLabel> out(texts.size());
  std::vector<Request> requests;
  std::vector<std::size_t> text_of;  // of each request
  for (std::size_t i = 0; i < texts.size(); ++i) {
    Request request;
    request.prompt = prompt_tokens(*impl_->tokenizer, prompt.around, filled(prompt.between, texts[i]));
    request.continuations = labels;
    out[i].outcome = JudgeOutcome::kTooLong;
    if (request.prompt.empty() ||
        request.prompt.size() + longest > static_cast<std::size_t>(impl_->model->config.context))
      continue;
    requests.push_back(std::move(request));
    text_of.push_back(i);
  }
  const std::vector<Response> responses = impl_->engine.run(requests);
  for (std::size_t r = 0; r < responses.size(); ++r)
    out[text_of[r]] = read_label(responses[r], labels.size());
  return out;
}

void check_judge(const Checkpoint& file, const JudgeSpec& spec) {
  const JudgePrompt prompt = judge_prompt(file, spec);
  try {
    continuations(*Tokenizer::from_gguf(file), prompt.around, spec);
  } catch (const InputError&) {
    throw;
  } catch (const Error& e) {
    throw InputError(spec.model, "labels", e.what());
  }
}

}  // namespace brinkmap::worker
