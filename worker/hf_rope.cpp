#include "worker/hf_rope.h"

#include <cmath>
#include <numbers>

#include "schedule/error.h"
#include "worker/gguf_parse.h"

namespace brinkmap::worker {

namespace {

constexpr std::int64_t kMaxContext = 1 << 26;

double positive(const JsonView& object, const std::string& key) {
  const double value = object.number(key);
  if (!(value > 0)) object.fail(key, "expected a positive number, found " + std::to_string(value));
  return value;
}

double positive(const JsonView& object, const std::string& key, double fallback) {
  return object.has(key) ? positive(object, key) : fallback;
}

std::vector<float> factors(const JsonView& object, const std::string& key) {
  std::vector<float> out;
  for (const double value : object.numbers(key)) {
    if (!(value > 0)) object.fail(key, "expected positive numbers, found " + std::to_string(value));
    out.push_back(static_cast<float>(value));
  }
  return out;
}

void read_scaling(const JsonView& scaling, HfRope& rope) {
  const std::string key = scaling.has("rope_type") ? "rope_type" : "type";
  const std::string type = scaling.text_or(key, "default");
  if (type == "linear") {
    rope.kind = HfRope::Kind::kLinear;
    rope.factor = positive(scaling, "factor");
  } else if (type == "llama3") {
    rope.kind = HfRope::Kind::kLlama3;
    rope.original_context = scaling.integer("original_max_position_embeddings", 1, kMaxContext);
    rope.factor = positive(scaling, "factor");
    rope.low_freq_factor = positive(scaling, "low_freq_factor");
    rope.high_freq_factor = positive(scaling, "high_freq_factor");
    if (rope.low_freq_factor >= rope.high_freq_factor)
      scaling.fail("high_freq_factor", "expected more than low_freq_factor " +
                                           std::to_string(rope.low_freq_factor) + ", found " +
                                           std::to_string(rope.high_freq_factor));
  } else if (type == "longrope" || type == "su") {
    rope.kind = HfRope::Kind::kLong;
    rope.long_factors = factors(scaling, "long_factor");
    rope.short_factors = factors(scaling, "short_factor");
  } else if (type != "default") {
    scaling.fail(key,
                 "this build knows default, linear, llama3 and longrope; found '" + printable(type) + "'");
  }
}

}  // namespace

void HfRope::fail(const std::string& key, const std::string& what) const {
  throw InputError(file, "key '" + (where.empty() ? key : where + "." + key) + "'", what);
}

HfRope read_hf_rope(const JsonView& text, const HfRopeDefaults& defaults) {
  HfRope rope;
  rope.file = text.file();
  rope.theta = positive(text, "rope_theta", defaults.theta);
  rope.local_theta = positive(text, "rope_local_base_freq", rope.local_theta);
  rope.partial_rotary = positive(text, "partial_rotary_factor", defaults.partial_rotary);
  rope.original_context =
      text.integer_or("original_max_position_embeddings", defaults.original_context, 1, kMaxContext);
  rope.where = text.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
  if (!text.has(rope.where)) return rope;

  // Models with two kinds of attention give each its own parameters.
  const JsonView all = text.object(rope.where);
  const bool split = all.has("full_attention") || all.has("sliding_attention");
  if (all.has("sliding_attention")) {
    const JsonView local = all.object("sliding_attention");
    rope.local_theta = positive(local, "rope_theta", rope.local_theta);
    if (const std::string type = local.text_or("rope_type", "default"); type != "default")
      local.fail("rope_type", "expected default, found '" + printable(type) + "'");
  }
  if (split && !all.has("full_attention")) return rope;
  const JsonView scaling = split ? all.object("full_attention") : all;
  if (split) rope.where += ".full_attention";
  rope.theta = positive(scaling, "rope_theta", rope.theta);
  rope.partial_rotary = positive(scaling, "partial_rotary_factor", rope.partial_rotary);
  rope.original_context =
      scaling.integer_or("original_max_position_embeddings", rope.original_context, 1, kMaxContext);
  if (scaling.has("mrope_section")) {
    const std::vector<double> sections = scaling.numbers("mrope_section");
    rope.mrope_sections.fill(0);
    for (std::size_t i = 0; i < sections.size(); ++i) {
      if (i == rope.mrope_sections.size() || !(sections[i] >= 0 && sections[i] <= 4096) ||
          sections[i] != std::floor(sections[i]))
        scaling.fail("mrope_section", "expected at most 4 whole numbers up to 4096");
      rope.mrope_sections[i] = static_cast<std::int32_t>(sections[i]);
    }
  }
  read_scaling(scaling, rope);
  if (rope.kind == HfRope::Kind::kLong) {
    // Phi-3's files give the two lengths instead of the factor between them.
    const double extended =
        static_cast<double>(defaults.context) / static_cast<double>(rope.original_context);
    const double factor = positive(scaling, "factor", extended);
    if (factor > 1 && rope.original_context < 2)
      scaling.fail("original_max_position_embeddings", "expected at least 2");
    rope.attention_factor = positive(
        scaling, "attention_factor",
        factor <= 1 ? 1
                    : std::sqrt(1 + std::log(factor) / std::log(static_cast<double>(rope.original_context))));
  }
  return rope;
}

std::vector<float> llama3_rope_factors(const HfRope& rope, std::int64_t dims) {
  const auto original = static_cast<double>(rope.original_context);
  std::vector<float> out;
  for (std::int64_t i = 0; i < dims; i += 2) {
    const double frequency = std::pow(rope.theta, -static_cast<double>(i) / static_cast<double>(dims));
    const double wavelength = 2 * std::numbers::pi / frequency;
    double factor = 1;
    if (wavelength > original / rope.low_freq_factor) {
      factor = rope.factor;
    } else if (wavelength >= original / rope.high_freq_factor) {
      const double smooth =
          (original / wavelength - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
      factor = 1 / ((1 - smooth) / rope.factor + smooth);
    }
    out.push_back(static_cast<float>(factor));
  }
  return out;
}

}  // namespace brinkmap::worker
