#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/thread_pool.h"
#include "schedule/job.h"
#include "worker/checkpoint.h"
#include "worker/prompt.h"
#include "worker/tokenizer.h"

// A model that labels answers. It reads a text with the prompt and the answer in it and cannot but say one of
// the labels: the one whose tokens have the largest log-probability behind that text. The tokens' sum, not
// their mean, is compared, which is the probability that the model writes the label; a longer label is not
// helped. Tokens that all labels begin with are not scored.
namespace brinkmap::worker {

struct JudgedText {
  std::string prompt;
  std::string response;
};

struct TextLabel {
  schedule::JudgeOutcome outcome = schedule::JudgeOutcome::kNotLabelled;
  std::uint8_t label = 255;       // index in JudgeSpec::labels when kLabelled; the first of equals
  std::vector<double> log_probs;  // [label], nats; empty unless kLabelled
  double margin = std::numeric_limits<double>::quiet_NaN();  // label's - that of the next
};

// Labels of texts, in order.
using LabelTexts = std::function<std::vector<TextLabel>(std::span<const JudgedText> texts)>;

// What stands around the part that differs from answer to answer, and that part. Control tokens are those
// that the template spells before its first and after its last place; what prompt and answer spell, and the
// text between the two, is plain text.
struct JudgePrompt {
  PromptTemplate around;
  std::string between;  // from the first place to the last, places included: "{prompt}...{response}"
};
// Throws InputError when template chat cannot be rendered.
JudgePrompt judge_prompt(const Checkpoint& file, const schedule::JudgeSpec& spec);
// `between` with prompt and answer in their places, which are not looked for places again.
std::string filled(const std::string& between, const JudgedText& text);

// The judge's model: its weights as they are in its file, f32 activations. A label does not depend on the
// other texts.
class TextJudge {
 public:
  // Throws InputError when the model cannot be opened.
  TextJudge(const std::string& path, kernels::ThreadPool& pool);
  ~TextJudge();

  std::vector<TextLabel> label(const schedule::JudgeSpec& spec, std::span<const JudgedText> texts);
  // Tokens that went through the model so far.
  std::uint64_t tokens_computed() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Throws InputError when this checkpoint cannot label for the spec: no template, labels that its tokenizer
// cannot tell apart. Reads no weights.
void check_judge(const Checkpoint& file, const schedule::JudgeSpec& spec);

}  // namespace brinkmap::worker
