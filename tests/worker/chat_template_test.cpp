#include "worker/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/error.h"

namespace brinkmap::worker {
namespace {

using jinja::Dict;
using jinja::None;
using jinja::Value;
using testing::AllOf;
using testing::HasSubstr;

Value message(const std::string& role, const std::string& content) {
  return jinja::make_dict({{"role", Value(role)}, {"content", Value(content)}}, 1);
}

Dict sample() {
  Dict variables;
  variables.entries = {
      {"messages",
       jinja::make_list({message("system", " s "), message("user", "u"), message("assistant", "a")}, 1)},
      {"tools", Value(None{})},
      {"add_generation_prompt", Value(true)},
      {"bos_token", Value("<s>")}};
  return variables;
}

std::string rendered(const std::string& source) { return render_chat_template("model", source, sample()); }

std::string refusal(const std::string& source) {
  try {
    return "no error: " + rendered(source);
  } catch (const InputError& e) {
    return e.what();
  }
}

// A checkpoint with nothing but a template and special tokens.
std::shared_ptr<const Checkpoint> with_template(const std::string& source) {
  CheckpointParts parts;
  parts.path = "model";
  const std::vector<std::string> tokens{"<unk>", "<s>", "</s>"};
  const auto add = [&](const std::string& key, GgufValue value) {
    parts.keys.push_back(key);
    parts.metadata.emplace(key, std::move(value));
  };
  add("tokenizer.ggml.tokens", gguf_texts(tokens));
  add("tokenizer.ggml.bos_token_id", gguf_u32(1));
  add("tokenizer.ggml.eos_token_id", gguf_u32(2));
  if (!source.empty()) add("tokenizer.chat_template", gguf_text(source));
  return Checkpoint::make(std::move(parts));
}

TEST(Jinja, DropsTheNewlineAfterATagAndTheSpaceBeforeATagOnItsLine) {
  EXPECT_EQ(rendered("a\n  {% if true %}\n  b\n  {% endif %}\n c\n"), "a\n  b\n c");
  EXPECT_EQ(rendered("a\n  {%- if true -%}\n  b\n  {%- endif %} c"), "ab c");
  EXPECT_EQ(rendered("a\n  {%+ if true +%}\nb{% endif %}"), "a\n  \nb");
  EXPECT_EQ(rendered("  {{ 'x' }}\n{{- 'y' }} {# note #}\n z\n\n"), "  xy  z\n");
  EXPECT_EQ(rendered("a\r\n{% if true %}\r\nb{% endif %}"), "a\nb");
}

TEST(Jinja, LoopsOverMessages) {
  EXPECT_EQ(rendered("{% for m in messages %}{{ loop.index }}{{ m.role }}{% if not loop.last %}, {% endif "
                     "%}{% endfor %}"),
            "1system, 2user, 3assistant");
  EXPECT_EQ(
      rendered(
          "{% for m in messages[1:] if m['role'] != 'user' %}{{ m.content }}{{ loop.length }}{% endfor %}"),
      "a1");
  EXPECT_EQ(
      rendered(
          "{% for m in messages[::-1] %}{{ m.content | trim }}{% if loop.first %}{% continue %}{% endif %}-"
          "{% if m.role == 'user' %}{% break %}{% endif %}{% endfor %}"),
      "au-");
  EXPECT_EQ(rendered("{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k ~ v }}{% endfor %}"), "a1b2");
}

TEST(Jinja, WhatALoopSetsIsForgottenButANamespaceKeepsIt) {
  EXPECT_EQ(rendered("{% set x = 0 %}{% set ns = namespace(x=0) %}{% for m in messages %}{% set x = x + 1 %}"
                     "{% set ns.x = ns.x + 1 %}{% endfor %}{{ x }}{{ ns.x }}"),
            "03");
}

TEST(Jinja, MacrosSeeTheirArgumentsAndTheTemplatesOwnNames) {
  EXPECT_EQ(rendered("{% set g = 'G' %}{% macro m(a, b='d') %} {{ g }}{{ a }}{{ b }} {% endmacro %}"
                     "{{ m('x') | trim }}{{ m('y', b=1) }}"),
            "Gxd Gy1 ");
}

TEST(Jinja, OperatorsBindAsInPython) {
  EXPECT_EQ(rendered("{{ 1 + 2 * 3 - 7 // 2 % 2 }}{{ -7 // 2 }}{{ -7 % 3 }}"), "6-42");
  EXPECT_EQ(rendered("{{ 'a' + ' b ' | trim + 'c' }}{{ 1 < 2 < 3 }}{{ not 'x' in 'xyz' }}"), "abcTrueFalse");
  EXPECT_EQ(rendered("{{ 'yes' if missing is defined and missing else 'no' }}{{ missing }}{{ none }}"),
            "noNone");
  EXPECT_EQ(rendered("{{ messages[0].content.split('s')[-1] ~ messages[-1]['role'][1:3] ~ messages[7] }}"),
            " ss");
  EXPECT_EQ(rendered("{{ (messages | selectattr('role', 'equalto', 'user') | list)[0].content }}"), "u");
}

TEST(Jinja, CountsTextsInCharacters) {
  EXPECT_EQ(rendered("{{ 'h\xc3\xa9llo' | length }}{{ 'h\xc3\xa9llo'[1] }}{{ 'h\xc3\xa9llo'[::-1] }}"),
            "5\xc3\xa9oll\xc3\xa9h");
}

TEST(Jinja, WritesJsonAsPythonDoes) {
  EXPECT_EQ(rendered(R"({{ {'a': [1, 2.0, true, none], 'b': "q\"\n", 'c': {}} | tojson }})"),
            R"({"a": [1, 2.0, true, null], "b": "q\"\n", "c": {}})");
  EXPECT_EQ(rendered("{{ [1, {'a': 2}] | tojson(indent=2) }}"), "[\n  1,\n  {\n    \"a\": 2\n  }\n]");
}

TEST(Jinja, RefusesWhatItDoesNotKnowByLineAndName) {
  EXPECT_THAT(refusal("\n\n{% include 'x' %}"),
              AllOf(HasSubstr("model: chat template, line 3"), HasSubstr("'include'")));
  EXPECT_THAT(refusal("a\n{{ 1 | shuffle }}"), AllOf(HasSubstr("line 2"), HasSubstr("filter 'shuffle'")));
  EXPECT_THAT(refusal("{{ 1 is prime }}"), HasSubstr("test 'prime'"));
  EXPECT_THAT(refusal("{{ 'a'.encode() }}"), HasSubstr("method 'encode'"));
  EXPECT_THAT(refusal("{{ messages }}"), HasSubstr("the text of a list"));
  EXPECT_THAT(refusal("{{ strftime_now('%Y') }}"), HasSubstr("strftime_now"));
  EXPECT_EQ(rendered("{{ strftime_now is defined }}"), "False");
  EXPECT_THAT(refusal("{{ missing.more }}"), HasSubstr("undefined 'missing' has no attribute 'more'"));
  EXPECT_THAT(refusal("{{ raise_exception('no ' ~ 'way') }}"), HasSubstr("the template refuses: no way"));
  EXPECT_THAT(refusal("{{ 'x"), HasSubstr("a text has no end"));
  EXPECT_THAT(refusal("{% if x %}"), HasSubstr("expected {% endif %}"));
  EXPECT_THAT(refusal("{{ (1, }}"), HasSubstr("unexpected '}'"));
  EXPECT_THAT(refusal("{% set x.y = 1 %}"), HasSubstr("expected a namespace"));
  EXPECT_THAT(refusal("{{ 9223372036854775807 + 1 }}"), HasSubstr("too large"));
}

TEST(Jinja, NoTemplateCanHangOrEatMemory) {
  const std::string twice = "{% for i in range(64) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}";
  EXPECT_THAT(refusal("{% set ns = namespace(x='x') %}" + twice), HasSubstr("16 MiB"));
  EXPECT_THAT(
      refusal(
          "{% set ns = namespace(x=[1]) %}{% for i in range(64) %}{% set ns.x = ns.x + ns.x %}{% endfor %}"),
      HasSubstr("16 MiB"));
  EXPECT_THAT(refusal("{{ range(9223372036854775807) | length }}"), HasSubstr("2^18 steps"));
  EXPECT_THAT(refusal("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}"),
              HasSubstr("than"));
  EXPECT_THAT(refusal("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), HasSubstr("calls too deeply"));
  EXPECT_THAT(
      refusal("{% set ns = namespace(x=[]) %}{% for i in range(99) %}{% set ns.x = [ns.x] %}{% endfor %}"),
      HasSubstr("64 deep"));
  // Every level holds the one below twice: 2^60 leaves.
  EXPECT_THAT(
      refusal(
          "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}"
          "{{ ns.x | tojson }}"),
      HasSubstr("2^18 steps"));
  const auto repeated = [](const std::string& text, int n) {
    std::string out;
    for (int i = 0; i < n; ++i) out += text;
    return out;
  };
  EXPECT_THAT(refusal("{{ " + repeated("(", 100000) + repeated(")", 100000) + " }}"),
              HasSubstr("nests too deeply"));
  EXPECT_THAT(refusal("{{ " + repeated("not ", 100000) + "x }}"), HasSubstr("nests too deeply"));
  EXPECT_THAT(refusal("{{ 1" + repeated(" + 1", 100000) + " }}"), HasSubstr("nests too deeply"));
  EXPECT_THAT(refusal("{{ x" + repeated("[0]", 100000) + " }}"), HasSubstr("nests too deeply"));
  EXPECT_THAT(refusal(repeated("{% if x %}", 100000)), HasSubstr("nests too deeply"));
  EXPECT_THAT(refusal(std::string((1 << 20) + 1, 'x')), HasSubstr("2^20 bytes"));
}

TEST(Jinja, ANamespaceMayHoldItself) {
  EXPECT_EQ(rendered("{% set ns = namespace(x=1) %}{% set ns.me = [ns] %}{{ ns.me[0].x }}"), "1");
}

TEST(ChatTemplate, IsCutWhereThePromptStands) {
  const PromptTemplate chat = chat_prompt_template(*with_template(
      "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token }}{% endfor %}"
      "{% if add_generation_prompt %}[assistant]{% endif %}"));
  EXPECT_EQ(chat.before, "<s>[user]");
  EXPECT_EQ(chat.after, "</s>[assistant]");
  EXPECT_TRUE(chat.chat);
  EXPECT_FALSE(chat.trims);
}

TEST(ChatTemplate, KnowsWhetherThePromptIsTrimmed) {
  EXPECT_TRUE(chat_prompt_template(*with_template("<{{ messages[0]['content'] | trim }}>")).trims);
  EXPECT_TRUE(chat_prompt_template(*with_template("<{{ messages[0]['content'].strip() }}>")).trims);
}

TEST(ChatTemplate, TurnsThinkingOff) {
  const std::string source =
      "{{ messages[0].content }}{% if enable_thinking is defined and enable_thinking is false "
      "%}<think></think>{% endif %}";
  EXPECT_EQ(chat_prompt_template(*with_template(source)).after, "<think></think>");
}

TEST(ChatTemplate, RefusesATemplateThatDoesMoreToAPromptThanTrimIt) {
  const auto why = [](const std::string& source) -> std::string {
    try {
      chat_prompt_template(*with_template(source));
    } catch (const InputError& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_THAT(why(""), AllOf(HasSubstr("tokenizer.chat_template"), HasSubstr("no chat template")));
  EXPECT_THAT(why("hello"), HasSubstr("does not print the user's message"));
  EXPECT_THAT(why("{{ messages[0].content | upper }}"), HasSubstr("does not print the user's message"));
  EXPECT_THAT(why("{{ messages[0].content }}{{ messages[0].content }}"), HasSubstr("twice"));
  EXPECT_THAT(why("{{ messages[0].content.lstrip() }}"), HasSubstr("in another way than trimming"));
  EXPECT_THAT(why("{{ raise_exception('never') }}"), HasSubstr("never"));
}

TEST(ChatTemplate, IsNamedByItsMarks) {
  const auto kind = [](const std::string& before) { return chat_template_kind({before, "", true, false}); };
  EXPECT_EQ(kind("<|im_start|>user\n"), "chatml");
  EXPECT_EQ(kind("<s>[INST] "), "inst");
  EXPECT_EQ(kind("<start_of_turn>user\n"), "gemma");
  EXPECT_EQ(kind("### Question\n"), "other");
}

TEST(ChatTemplate, AJobsTemplateIsChatOrText) {
  const auto file = with_template("<{{ messages[0].content }}>");
  EXPECT_EQ(prompt_template(*file, "chat").before, "<");
  EXPECT_TRUE(prompt_template(*file, "chat").chat);
  EXPECT_EQ(prompt_template(*file, "Q: {prompt}").before, "Q: ");
  EXPECT_FALSE(prompt_template(*file, "Q: {prompt}").chat);
}

}  // namespace
}  // namespace brinkmap::worker
