#include "audit/gate_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "audit/html_text.h"
#include "audit/row_builder.h"
#include "audit/verdict_json.h"

namespace brinkmap::audit {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

bool has(const std::vector<RowVerdict>& verdicts, Verdict wanted) {
  return std::any_of(verdicts.begin(), verdicts.end(),
                     [&](const RowVerdict& v) { return v.verdict == wanted; });
}

Tone tone_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return Tone::kGood;
    case Verdict::kFail:
      return Tone::kBad;
    case Verdict::kUndecided:
    case Verdict::kReview:
      break;
  }
  return Tone::kDoubt;
}

std::string checks_text(const RowVerdict& verdict) {
  std::string out;
  for (const Check& c : verdict.checks)
    out += fmt::format("{}: {}, {}: {}\n", gate_word(c.verdict), c.item, c.what, one_line(c.reason));
  return out;
}

// The element that says why a row does not pass.
std::string outcome(const char* element, Verdict verdict, const std::string& reason,
                    const std::string& text) {
  std::string body;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    body += escape(text.substr(at, end - at)) + "\n";
    at = end + 1;
  }
  return fmt::format("    <{0}{1}{2}>{3}</{0}>\n", element, attribute("type", gate_word(verdict)),
                     attribute("message", reason), body);
}

std::string test_case(const std::string& job, const std::string& name, Verdict verdict,
                      const std::string& reason, const std::string& text) {
  const std::string open =
      "  <testcase" + attribute("classname", job) + attribute("name", name) + " time=\"0\"";
  if (verdict == Verdict::kPass) return open + "/>\n";
  return open + ">\n" + outcome(verdict == Verdict::kUndecided ? "error" : "failure", verdict, reason, text) +
         "  </testcase>\n";
}

}  // namespace

nlohmann::ordered_json verdict_json(const RowVerdict& verdict) {
  Json out{{"row", verdict.label},
           {"verdict", verdict_name(verdict.verdict)},
           {"reason", one_line(verdict.reason)}};
  out["checks"] = Json::array();
  for (const Check& c : verdict.checks)
    out["checks"].push_back({{"item", c.item},
                             {"check", c.what},
                             {"verdict", verdict_name(c.verdict)},
                             {"value", number(c.value)},
                             {"limit", number(c.limit)},
                             {"upper_limit", number(c.upper)},
                             {"baseline", number(c.baseline)},
                             {"n", c.n},
                             {"missing", c.missing},
                             {"reason", one_line(c.reason)}});
  return out;
}

const char* gate_word(Verdict verdict) {
  switch (verdict) {
    case Verdict::kUndecided:
      return "UNDECIDABLE";
    case Verdict::kPass:
      return "PASS";
    case Verdict::kFail:
      return "FAIL";
    case Verdict::kReview:
      return "REVIEW";
  }
  return "UNDECIDABLE";
}

Cell verdict_cell(Verdict verdict) {
  Cell cell = text_cell(verdict_name(verdict));
  cell.tone = tone_of(verdict);
  return cell;
}

std::string check_words(const Check& check) { return check.item + ", " + check.what + ": " + check.reason; }

std::string failing_baselines(const std::vector<RowVerdict>& verdicts) {
  std::string names;
  std::size_t n = 0;
  for (const RowVerdict& v : verdicts)
    if (v.baseline && v.verdict == Verdict::kFail) {
      names += (n++ == 0 ? "" : ", ") + v.label;
    }
  if (n == 0) return "";
  return fmt::format(
      "{} the gate before anything is quantized: {}. What a row of {} does no worse than its baseline "
      "is no harm of quantization; the reasons name both counts.",
      n == 1 ? "A baseline fails" : fmt::format("{} baselines fail", n), names,
      n == 1 ? "its model" : "their models");
}

Table verdicts_table(const std::vector<RowVerdict>& verdicts) {
  Table table{"gate", "Gate", {}, {}, {}};
  RowBuilder row(table);
  const auto line = [&](const RowVerdict& v, const std::string& words) {
    row.start();
    row.add("row", "row", text_cell(v.label), Where::kBoth, true);
    row.add("verdict", "verdict", Cell{gate_word(v.verdict), {}, tone_of(v.verdict)}, Where::kBoth, true);
    row.add("why", "why", text_cell(words), Where::kBoth, true);
  };
  std::string counts;
  for (const Verdict of : {Verdict::kPass, Verdict::kReview, Verdict::kFail, Verdict::kUndecided})
    if (const auto n = std::count_if(verdicts.begin(), verdicts.end(),
                                     [&](const RowVerdict& v) { return v.verdict == of; });
        n > 0)
      counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", n, gate_word(of));
  for (const RowVerdict& v : verdicts) {
    bool said = false;
    for (const Check& c : v.checks)
      if (v.verdict != Verdict::kPass && c.verdict == v.verdict) {
        line(v, check_words(c));
        said = true;
      }
    if (!said) line(v, v.reason);
  }
  table.notes = {counts};
  if (const std::string words = failing_baselines(verdicts); !words.empty())
    for (std::string& note : wrapped(words)) table.notes.push_back(std::move(note));
  return table;
}

Verdict worst(bool complete, const std::vector<RowVerdict>& verdicts) {
  if (has(verdicts, Verdict::kFail)) return Verdict::kFail;
  if (!complete || verdicts.empty() || has(verdicts, Verdict::kUndecided)) return Verdict::kUndecided;
  return has(verdicts, Verdict::kReview) ? Verdict::kReview : Verdict::kPass;
}

std::string gate_junit(const std::string& job, bool complete, const std::vector<RowVerdict>& verdicts) {
  std::size_t failures = 0, errors = complete ? 0 : 1;
  std::string cases;
  if (!complete)
    cases += test_case(job, "complete", Verdict::kUndecided, "the result file is incomplete",
                       "the result file is incomplete\n");
  for (const RowVerdict& v : verdicts) {
    failures += v.verdict == Verdict::kFail || v.verdict == Verdict::kReview ? 1 : 0;
    errors += v.verdict == Verdict::kUndecided ? 1 : 0;
    cases += test_case(job, v.label, v.verdict, v.reason, checks_text(v));
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n <testsuite{} tests=\"{}\" "
      "failures=\"{}\" errors=\"{}\" skipped=\"0\" time=\"0\">\n{} </testsuite>\n</testsuites>\n",
      attribute("name", "brinkmap gate: " + job), verdicts.size() + (complete ? 0 : 1), failures, errors,
      cases);
}

std::string gate_json(const std::string& job, bool complete, const std::vector<RowVerdict>& verdicts) {
  Json out{{"job", one_line(job)}, {"complete", complete}, {"verdict", gate_word(worst(complete, verdicts))}};
  out["rows"] = Json::array();
  for (const RowVerdict& v : verdicts) {
    Json row = verdict_json(v);
    row["verdict"] = gate_word(v.verdict);
    for (std::size_t c = 0; c < v.checks.size(); ++c)
      row["checks"][c]["verdict"] = gate_word(v.checks[c].verdict);
    out["rows"].push_back(std::move(row));
  }
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace brinkmap::audit
