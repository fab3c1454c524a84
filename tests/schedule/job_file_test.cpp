#include "schedule/job_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "schedule/error.h"
#include "tests/schedule/sample.h"

using namespace brinkmap;
using namespace brinkmap::schedule;
using testing::HasSubstr;

namespace {

// The sample job with one text replaced.
std::string with(const std::string& from, const std::string& to) {
  std::string text = sample::kJob;
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << "the sample has no '" << from << "'";
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

std::string error_of(const std::string& text) {
  try {
    parse_job(text, "jobs/x.yaml");
  } catch (const InputError& e) {
    return e.what();
  }
  return "no error";
}

struct Broken {
  const char* name;
  const char* from;
  const char* to;
  const char* expected;  // in the message
};
void PrintTo(const Broken& b, std::ostream* out) { *out << b.name; }

class BrokenJob : public testing::TestWithParam<Broken> {};

}  // namespace

TEST(JobFile, ReadsEveryValueOfTheSample) {
  const Job job = sample::job();
  EXPECT_EQ(job.name, "sample");
  EXPECT_EQ(job.seed, 7U);
  EXPECT_EQ(job.activations, Activations::kQ8);
  ASSERT_EQ(job.models.size(), 1U);
  EXPECT_EQ(job.models[0].recipes, (std::vector<std::string>{"bf16", "q8_0", "q4_k_m"}));
  EXPECT_EQ(job.models[0].prompt_template, "{prompt}");
  ASSERT_EQ(job.suites.size(), 3U);
  EXPECT_EQ(job.suites[1].kind, SuiteKind::kDecision);
  EXPECT_EQ(job.suites[1].max_new_tokens, 8);
  ASSERT_EQ(job.experiments.size(), 1U);
  EXPECT_EQ(job.experiments[0].layer, -1);
  EXPECT_EQ(job.experiments[0].seeds, 20);
  EXPECT_EQ(job.experiments[0].hidden, 256);
  EXPECT_DOUBLE_EQ(job.gate.refusal_drop_pp, 10);
  EXPECT_EQ(job.text, sample::kJob);
}

TEST(JobFile, ResolvesPathsAgainstItsOwnFolder) {
  const Job job = parse_job(with("models/tiny.gguf", "../m/tiny.gguf"), "/a/jobs/x.yaml");
  EXPECT_EQ(job.models[0].path, "/a/m/tiny.gguf");
  EXPECT_EQ(job.suites[0].file, "/a/jobs/suites/refusal.jsonl");
  EXPECT_EQ(parse_job(with("models/tiny.gguf", "/m/t.gguf"), "/a/x.yaml").models[0].path, "/m/t.gguf");
}

TEST(JobFile, TakesChatForTheModelsOwnTemplate) {
  EXPECT_EQ(parse_job(with("\"{prompt}\"", "chat"), "x").models[0].prompt_template, kChatTemplate);
}

TEST(JobFile, ReadsTheCalibrationText) {
  const Job plain = parse_job(sample::kJob, "jobs/x.yaml");
  EXPECT_EQ(plain.calibration.file, "");
  const Job job = parse_job(std::string(sample::kJob) + "\ncalibration: {file: text.txt, sequences: 32}\n",
                            "jobs/x.yaml");
  EXPECT_EQ(job.calibration.file, "jobs/text.txt");
  EXPECT_EQ(job.calibration.sequences, 32);
  EXPECT_EQ(job.calibration.length, 512);
  EXPECT_THAT(error_of(std::string(sample::kJob) + "\ncalibration: {sequences: 32}\n"),
              HasSubstr("'file' is missing"));
}

TEST(JobFile, ReadsTheLargestSeed) {
  EXPECT_EQ(parse_job(with("seed: 7", "seed: 18446744073709551615"), "x").seed, 18446744073709551615ULL);
}

TEST(JobFile, ReadsALayerByNumber) {
  EXPECT_EQ(parse_job(with("seeds: 20", "seeds: 20, layer: 3"), "x").experiments[0].layer, 3);
}

TEST(JobFile, LetsModelsShareAListThroughAnAnchor) {
  const std::string text =
      with("recipes: [bf16, q8_0, q4_k_m]",
           "recipes: &ladder [bf16, q8_0, q4_k_m]\n  - {id: other, path: o.gguf, template: "
           "\"{prompt}\", baseline: q8_0, recipes: *ladder}");
  EXPECT_EQ(parse_job(text, "x").models.at(1).recipes.size(), 3U);
}

TEST(JobFile, QuantizesNothingTwiceUnlessItSaysSo) {
  EXPECT_FALSE(parse_job(sample::kJob, "x").models.at(0).requantize);
  const std::string text = with("family: llama\n", "family: llama\n    requantize: true\n");
  EXPECT_TRUE(parse_job(text, "x").models.at(0).requantize);
}

TEST(JobFile, ReadsMetricsEncoderAndLogits) {
  std::string text = sample::kJob;
  const auto replace = [&](const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
  };
  replace("kind: refusal,", "kind: quality,");
  EXPECT_EQ(parse_job(text, "jobs/x.yaml").suites[0].metrics, std::vector<Metric>{Metric::kRougeL});
  replace("kind: quality,", "kind: quality, metrics: [coherence, rouge_l],");
  replace("kind: perplexity", "kind: perplexity, top_k: 8");
  replace("vote:", "encoder: {path: e.gguf, layer: 2, pooling: last}\nvote:");
  const Job job = parse_job(text, "jobs/x.yaml");
  EXPECT_EQ(job.suites[0].metrics, (std::vector<Metric>{Metric::kCoherence, Metric::kRougeL}));
  EXPECT_TRUE(job.suites[0].needs_encoder());
  EXPECT_EQ(job.suites[2].top_k, 8);
  EXPECT_EQ(job.encoder.path, "jobs/e.gguf");
  EXPECT_EQ(job.encoder.layer, 2);
  EXPECT_EQ(job.encoder.pooling, Pooling::kLast);
}

TEST_P(BrokenJob, IsRefusedWithItsReason) {
  EXPECT_THAT(error_of(with(GetParam().from, GetParam().to)), HasSubstr(GetParam().expected));
}

INSTANTIATE_TEST_SUITE_P(
    Of, BrokenJob,
    testing::Values(
        Broken{"UnknownKey", "seed: 7", "sead: 7",
               "jobs/x.yaml: line 2: unknown key 'sead' (did you mean 'seed'?)"},
        Broken{"UnknownKeyInAModel", "family:", "familly:", "line 5: models[0]: unknown key 'familly'"},
        Broken{"UnknownKeyInAnExperiment", "seeds:", "seed:", "did you mean 'seeds'?"},
        Broken{"UnknownKeyInTheGate", "confidence:", "confidense:", "gate: unknown key 'confidense'"},
        Broken{"RepeatedKey", "seed: 7", "seed: 7\nseed: 8", "line 3: key 'seed' is given twice"},
        Broken{"MissingName", "name: sample\n", "", "key 'name' is missing"},
        Broken{"MissingTemplate", "    template: \"{prompt}\"\n", "", "models[0]: key 'template' is missing"},
        Broken{"MissingPath", "    path: models/tiny.gguf\n", "", "key 'path' is missing"},
        Broken{"KeyWithoutValue", "seed: 7", "seed:", "seed: has no value, expected integer"},
        Broken{"NegativeSeed", "seed: 7", "seed: -7", "found '-7'"},
        Broken{"QuotedSeed", "seed: 7", "seed: '7'", "seed: expected integer"},
        Broken{"SeedTooLarge", "seed: 7", "seed: 18446744073709551616", "seed: expected integer"},
        Broken{"SeedAsAList", "seed: 7", "seed: [7]", "found a list"},
        Broken{"RequantizeMaybe", "    family: llama\n", "    family: llama\n    requantize: maybe\n",
               "models[0].requantize: unknown value 'maybe'"},
        Broken{"UnknownActivations", "seed: 7", "activations: q9",
               "activations: unknown value 'q9' (did you mean 'q8'?)"},
        Broken{"NoSeeds", "seeds: 20", "seeds: 0",
               "experiments[0].seeds: expected integer 1..10000, found '0'"},
        Broken{"TooManySeeds", "seeds: 20", "seeds: 10001", "integer 1..10000"},
        Broken{"FractionalSeeds", "seeds: 20", "seeds: 2.5", "integer 1..10000, found '2.5'"},
        Broken{"NegativeLayer", "seeds: 20", "layer: -1", "auto or an integer 0..1023"},
        Broken{"UnknownPooling", "seeds: 20", "pooling: first", "expected last | mean"},
        Broken{"DropoutOfOne", "seeds: 20", "dropout: 1", "number 0..0.99"},
        Broken{"ThresholdAboveOne", "veto: 0.90", "veto: 1.5", "vote.veto: expected number 0..1, found 1.5"},
        Broken{"ThresholdInPercent", "approve: 0.90", "approve: 90", "vote.approve: expected number 0..1"},
        Broken{"ThresholdNotANumber", "veto: 0.90", "veto: .nan", "found '.nan'"},
        Broken{"InfiniteLimit", "refusal_drop_pp: 10", "refusal_drop_pp: inf", "found 'inf'"},
        Broken{"NegativeLimit", "veto_to_approve: 0", "veto_to_approve: -1", "gate.veto_to_approve"},
        Broken{"CertainConfidence", "confidence: 0.95", "confidence: 1", "gate.confidence"},
        Broken{"IdWithASlash", "id: tiny", "id: ti/ny", "expected an id of letters"},
        Broken{"EmptyId", "id: tiny", "id: ''", "found an empty string"},
        Broken{"LongId", "id: tiny",
               "id: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
               "at most 64 bytes"},
        Broken{"TwoSuitesOfOneId", "id: decisions", "id: refusal",
               "suites[1].id: id 'refusal' is used twice"},
        Broken{"ExperimentNamedAsASuite", "{id: decision,", "{id: text,",
               "experiments[0].id: id 'text' is used twice"},
        Broken{"RecipeTwice", "[bf16, q8_0, q4_k_m]", "[bf16, q8_0, bf16]", "recipe 'bf16' is given twice"},
        Broken{"NoRecipes", "[bf16, q8_0, q4_k_m]", "[]", "at least one recipe, found none"},
        Broken{"RecipesAsText", "[bf16, q8_0, q4_k_m]", "bf16", "at least one recipe, found 'bf16'"},
        Broken{"BaselineElsewhere", "baseline: bf16", "baseline: bf61",
               "models[0].baseline: expected one of"},
        Broken{"TemplateWithoutPrompt", "\"{prompt}\"", "\"prompt\"",
               "expected chat or text with {prompt} in it"},
        Broken{"TemplateWithTwoPrompts", "\"{prompt}\"", "\"{prompt}{prompt}\"", "found it twice"},
        Broken{"UnknownKind", "kind: perplexity", "kind: perplexty", "did you mean 'perplexity'?"},
        Broken{"MisspeltKind", "kind: refusal,", "kind: refusals,",
               "suites[0].kind: unknown value 'refusals' (did you mean 'refusal'?)"},
        Broken{"UnknownMetric", "kind: refusal,", "kind: quality, metrics: [rouge],",
               "suites[0].metrics: unknown metric 'rouge' (did you mean 'rouge_l'?)"},
        Broken{"MetricTwice", "kind: refusal,", "kind: quality, metrics: [rouge_l, rouge_l],",
               "metric 'rouge_l' is given twice"},
        Broken{"NoMetric", "kind: refusal,", "kind: quality, metrics: [],",
               "at least one metric, found none"},
        Broken{"MetricOfAnotherKind", "kind: refusal,", "kind: refusal, metrics: [rouge_l],",
               "suites[0].metrics: only a quality suite has metrics"},
        Broken{"MetricWithoutEncoder", "kind: refusal,", "kind: quality, metrics: [bertscore],",
               "suites[0].metrics: bertscore and coherence need"},
        Broken{"EncoderForNothing", "vote:", "encoder: {path: e.gguf}\nvote:", "encoder: no suite has"},
        Broken{"EncoderWithoutPath", "vote:", "encoder: {layer: 2}\nvote:", "encoder: key 'path' is missing"},
        Broken{"LogitsOfAnotherKind", "kind: refusal,", "kind: refusal, top_k: 4,",
               "suites[0].top_k: only a perplexity suite keeps logits"},
        Broken{"TooManyLogits", "kind: perplexity", "kind: perplexity, top_k: 65",
               "integer 0..64, found '65'"},
        Broken{"NoTokenLimit", "kind: refusal, max_new_tokens: 4", "kind: refusal",
               "suites[0].max_new_tokens: missing"},
        Broken{"ZeroTokenLimit", "max_new_tokens: 4", "max_new_tokens: 0", "integer 1..4096"},
        Broken{"TokenLimitForPerplexity", "kind: perplexity", "kind: perplexity, max_new_tokens: 4",
               "leave the key out"},
        Broken{"PhrasesForPerplexity", "kind: perplexity", "kind: perplexity, phrases: p.json",
               "leave the key out"},
        Broken{"ExperimentOnNoSuite", "suite: decisions", "suite: decision",
               "unknown suite 'decision' (did you mean"},
        Broken{"ExperimentOnARefusalSuite", "suite: decisions", "suite: refusal",
               "expected a suite of kind decision"},
        Broken{"ModelsAsAMap", "models:\n  - id", "models:\n    id", "models: expected a list, found a map"},
        Broken{"SuiteAsText", "- {id: text, file: suites/text.jsonl, kind: perplexity}", "- text",
               "suites[2]: expected a map of keys, found 'text'"},
        Broken{"SecondDocument", "gate: {", "---\ngate: {", "found a second"},
        Broken{"UnclosedBrace", "confidence: 0.95}", "confidence: 0.95", "not valid YAML"},
        Broken{"UnknownAlias", "seed: 7", "seed: *nothing", "not valid YAML"},
        Broken{"MergeKey", "seed: 7", "<<: {seed: 7}", "unknown key '<<'"}),
    [](const auto& info) { return info.param.name; });

TEST(JobFile, RefusesAnEmptyFile) {
  EXPECT_THAT(error_of(""), HasSubstr("jobs/x.yaml"));
  EXPECT_THAT(error_of("# nothing\n"), HasSubstr("jobs/x.yaml"));
}

TEST(JobFile, RefusesAListOrABareWordAtTheTop) {
  EXPECT_THAT(error_of("- a\n"), HasSubstr("expected a map of keys, found a list"));
  EXPECT_THAT(error_of("word"), HasSubstr("expected a map of keys, found 'word'"));
}

TEST(JobFile, RefusesAJobWithoutModels) {
  EXPECT_THAT(error_of("name: x\nmodels: []\nsuites: []\n"), HasSubstr("at least one model"));
}

TEST(JobFile, RefusesAFileAboveOneMebibyte) {
  EXPECT_THAT(error_of(sample::kJob + "#" + std::string(1 << 20, 'x')), HasSubstr("at most 1 MiB"));
}

TEST(JobFile, RefusesDeepNestingWithoutOverflowingTheStack) {
  EXPECT_THAT(error_of("name: " + std::string(500000, '[')), HasSubstr("not valid YAML"));
}

TEST(JobFile, RefusesTooManyNodes) {
  std::string text = "name: [";
  for (int i = 0; i < 60000; ++i) text += "a, ";
  EXPECT_THAT(error_of(text + "a]\n"), HasSubstr("at most 50000 YAML nodes"));
}

TEST(JobFile, IsNotExpandedByNestedAliases) {
  std::string text = "name: x\na0: &a0 [x, x]\n";
  std::string last = "0";
  for (int i = 1; i < 60; ++i) {
    const std::string n = std::to_string(i);
    text.append("a").append(n).append(": &a").append(n).append(" [*a").append(last).append(", *a").append(
        last);
    text.append("]\n");
    last = n;
  }
  EXPECT_THAT(error_of(text), HasSubstr("unknown key 'a0'"));
}

TEST(JobFile, RefusesTooManyModels) {
  std::string text = "name: x\nsuites: [{id: t, file: t, kind: perplexity}]\nmodels:\n";
  for (int i = 0; i < 65; ++i) {
    text.append("  - {id: m").append(std::to_string(i));
    text.append(", path: p, template: '{prompt}', baseline: a, recipes: [a]}\n");
  }
  EXPECT_THAT(error_of(text), HasSubstr("at most 64 entries, found 65"));
}

TEST(JobFile, IsReadFromAFileAndMissingFilesAreNamed) {
  const std::string path = testing::TempDir() + "brinkmap_job_file_test.yaml";
  std::ofstream(path) << sample::kJob;
  EXPECT_EQ(read_job(path).name, "sample");
  std::remove(path.c_str());
  EXPECT_THROW(read_job(path), InputError);
  EXPECT_THROW(read_job(testing::TempDir()), InputError);
}

TEST(JobFile, RefusesAGateRuleThatNothingInTheJobDecides) {
  const std::string path = testing::TempDir() + "brinkmap_gate_rule_test.yaml";
  const auto read = [&](std::string text, const std::string& rule) -> std::string {
    text.insert(text.find("gate: {") + 7, rule + ", ");
    std::ofstream(path) << text;
    try {
      read_job(path);
      return "no error";
    } catch (const InputError& e) {
      return e.what();
    }
  };
  const std::string judge =
      "  - {id: second, kind: judge, suite: refusal, model: j.gguf, template: \"{response}?\"}\nvote:";
  const std::string no_refusals = with("kind: refusal,", "kind: quality,"),
                    no_texts = with("kind: perplexity", "kind: quality, max_new_tokens: 4"),
                    logits = with("kind: perplexity", "kind: perplexity, top_k: 8"),
                    judged = with("vote:", judge);
  struct Rule {
    std::string key, value, unmeasured, measured, missing;
  };
  for (const Rule& rule : {Rule{"kl", "0.1", sample::kJob, logits, "kind perplexity with 'top_k'"},
                           Rule{"perplexity_ratio", "1.1", no_texts, sample::kJob, "kind perplexity"},
                           Rule{"rtsi", "0.4", no_refusals, sample::kJob, "kind refusal"},
                           Rule{"over_refusal_rise_pp", "5", no_refusals, sample::kJob, "kind refusal"},
                           Rule{"kappa", "0.6", sample::kJob, judged, "kind judge"}}) {
    const std::string text = rule.key + ": " + rule.value, error = read(rule.unmeasured, text);
    EXPECT_THAT(error, HasSubstr(path + ": line 17: gate." + rule.key + ": "));
    EXPECT_THAT(error, HasSubstr(rule.missing));
    EXPECT_EQ(read(rule.measured, text), "no error");
  }
  // A judge of other answers says nothing of the refusal detector.
  std::string truth = judged;
  truth.replace(truth.find("kind: perplexity"), 16, "kind: truthfulness, max_new_tokens: 4");
  truth.replace(truth.find("suite: refusal, model"), 14, "suite: text");
  EXPECT_THAT(read(truth, "kappa: 0.6"), HasSubstr("gate.kappa"));
  std::remove(path.c_str());
}

TEST(JobFile, DescribesEveryKeyWithRangeAndDefault) {
  const std::string help = describe_job_keys();
  for (const char* part :
       {"models[]", "template", "integer 1..10000; default 100", "auto | integer 0..1023; default auto",
        "refusal | decision | perplexity | truthfulness | bias | choice | quality; required",
        "number 0..1; default 0.9", "default 42"})
    EXPECT_THAT(help, HasSubstr(part));
}

TEST(JobFile, HoldsLimitsOfTheGateOnlyWhereTheyAreGiven) {
  const Job without = sample::job();
  EXPECT_FALSE(without.gate.kl || without.gate.perplexity_ratio || without.gate.over_refusal_rise_pp ||
               without.gate.rtsi);
  const Job job = parse_job(with("gate: {", "gate: {kl: 0.05, perplexity_ratio: 1.1, "), "jobs/x.yaml");
  EXPECT_EQ(job.gate.kl, 0.05);
  EXPECT_EQ(job.gate.perplexity_ratio, 1.1);
  EXPECT_THAT(error_of(with("gate: {", "gate: {perplexity_ratio: 0.9, ")), HasSubstr("number 1..1000"));
  EXPECT_EQ(parse_job(with("gate: {", "gate: {rtsi: 0.4, "), "jobs/x.yaml").gate.rtsi, 0.4);
  for (const char* wrong : {"1.5", "-0.1", "high", "nan", "[0.4]"})
    EXPECT_THAT(error_of(with("gate: {", std::string("gate: {rtsi: ") + wrong + ", ")),
                HasSubstr("number 0..1"))
        << wrong;
  const auto text = [](const Job& j) { return canonical_job(expand(j, sample::facts())); };
  EXPECT_THAT(text(job), HasSubstr("gate.kl=0.05\n"));
  EXPECT_THAT(text(without), testing::Not(HasSubstr("gate.kl")));
}
