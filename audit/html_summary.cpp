#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "audit/html_pictures.h"
#include "audit/html_text.h"
#include "audit/table_reader.h"

namespace brinkmap::audit {
namespace {

constexpr std::size_t kMostNamed = 8;   // rows named in the list of the worst
constexpr std::size_t kTasksNamed = 4;  // tasks named where many break at once

// What the widest level of a model's ladder that breaks any of the tasks breaks.
struct FirstBreak {
  bool measured = false;  // any of the tasks: the baseline can do it
  std::string label;      // of the row; empty: none
  std::vector<std::string> tasks;
};

FirstBreak first_break_of(const View& view, const std::string& model, bool safety_only) {
  FirstBreak out;
  const Table* scores = find_table(view.report, "comparisons");
  if (scores == nullptr) return out;
  const TableReader reader(*scores);
  double widest = -1;
  for (std::size_t i = 0; i < reader.size(); ++i) {
    const std::string label = reader.text(i, "row"), task = reader.text(i, "task");
    const double bits = reader.number(i, "bits_per_weight");
    if (view.report.rows[view.row_of.at(label)].model != model ||
        (safety_only && !view.sources.is_safety(task)))
      continue;
    out.measured = out.measured || reader.is_set(i, "measured");
    if (!reader.is_set(i, "on_ladder") || !reader.is_set(i, "broken") || !(bits >= widest)) continue;
    if (bits > widest) out = {true, label, {}};
    widest = bits;
    if (label == out.label) out.tasks.push_back(task);
  }
  return out;
}

std::string words(const View& view, const FirstBreak& first) {
  if (first.label.empty()) return first.measured ? "nothing broke" : "not measured";
  std::string out = view.report.rows[view.row_of.at(first.label)].recipe + ": ";
  for (std::size_t i = 0; i < std::min(kTasksNamed, first.tasks.size()); ++i)
    out += (i == 0 ? "" : ", ") + first.tasks[i];
  if (first.tasks.size() > kTasksNamed) out += fmt::format(" and {} more", first.tasks.size() - kTasksNamed);
  return out;
}

// "q4_k_m", pointing at the reason.
std::string chip(const View& view, std::size_t row) {
  const RowVerdict& verdict = view.report.verdicts[row];
  return "<span" + attribute("class", std::string("chip verdict ") + verdict_name(verdict.verdict)) +
         row_attribute(std::to_string(row)) + attribute("data-t", verdict.label + ": " + verdict.reason) +
         attribute("data-p", "/verdict[row=#]") + ">" + escape(view.report.rows[row].recipe) + "</span> ";
}

std::string chips(const View& view, const std::string& model, std::initializer_list<Verdict> wanted) {
  std::string out;
  for (std::size_t r = 0; r < view.report.rows.size(); ++r)
    if (view.report.rows[r].model == model &&
        std::find(wanted.begin(), wanted.end(), view.report.verdicts[r].verdict) != wanted.end())
      out += chip(view, r);
  return out.empty() ? "–" : out;
}

std::string counts(const View& view) {
  std::string out = "<ul class=counts>";
  for (const Verdict v : {Verdict::kFail, Verdict::kUndecided, Verdict::kReview, Verdict::kPass}) {
    const auto n = std::count_if(view.report.verdicts.begin(), view.report.verdicts.end(),
                                 [&](const RowVerdict& r) { return r.verdict == v; });
    if (n > 0)
      out += "<li class=\"verdict " + std::string(verdict_name(v)) + "\"><b>" + std::to_string(n) + "</b> " +
             verdict_name(v);
  }
  return out + "</ul>\n";
}

bool approves(const Check& c) { return c.what.starts_with("VETO"); }

bool any(const Check&) { return true; }

// How bad a limit is broken, in percent: points of refusals lost, or VETO items approved of all.
double harm(const Check& c) {
  if (c.verdict != Verdict::kFail || !std::isfinite(c.value)) return 0;
  if (c.what == kRefusalDrop) return c.value;
  return approves(c) && c.n > 0 ? 100 * c.value / static_cast<double>(c.n) : 0;
}

std::string text_of(const Check& c) {
  if (c.what == kRefusalDrop)
    return fmt::format("{} refusals {} points (n {})", c.item, signed_text(-c.value, 1), c.n);
  if (approves(c))
    return fmt::format("{} {} {:.0f} of {} VETO items{}", c.item,
                       c.what.ends_with("cascade") ? "cascade approves" : "answers approve", c.value, c.n,
                       std::isnan(c.baseline) ? "" : fmt::format(" (baseline {:.0f})", c.baseline));
  return c.item + " " + c.what;
}

std::string why(const RowVerdict& verdict, bool (*counts)(const Check&)) {
  std::string out;
  for (const Check& c : verdict.checks)
    if (c.verdict == Verdict::kFail && counts(c)) out += (out.empty() ? "" : "; ") + text_of(c);
  return out;
}

// "q5_k_m fails the gate: decisions answers approve 3 of 25 VETO items": of the model's rows that approve too
// many, the one with most bits. No task's score stands for it, so no break does.
std::string first_approval(const View& view, const std::string& model) {
  const Table* rows = find_table(view.report, "rows");
  if (rows == nullptr) return "";
  const TableReader reader(*rows);
  std::string out;
  double widest = -1;
  for (std::size_t r = 0; r < view.report.rows.size(); ++r) {
    const double bits = reader.number(r, "bits_per_weight");
    if (view.report.rows[r].model != model || !(bits > widest)) continue;
    const std::string text = why(view.report.verdicts[r], approves);
    if (text.empty()) continue;
    widest = bits;
    out = view.report.rows[r].recipe + (view.report.rows[r].baseline ? ", the baseline," : "") +
          " fails the gate: " + text;
  }
  return out;
}

std::string safety_break(const View& view, const std::string& model) {
  const FirstBreak first = first_break_of(view, model, true);
  const std::string approval = first_approval(view, model);
  if (approval.empty()) return words(view, first);
  return (first.label.empty() ? "" : words(view, first) + "; ") + approval;
}

// Failing rows by the worst harm among their checks.
std::string worst_rows(const View& view) {
  std::vector<std::pair<double, std::size_t>> failing;
  for (std::size_t r = 0; r < view.report.verdicts.size(); ++r) {
    const RowVerdict& v = view.report.verdicts[r];
    if (v.verdict != Verdict::kFail) continue;
    double most = 0;
    for (const Check& c : v.checks) most = std::max(most, harm(c));
    failing.emplace_back(-most, r);
  }
  std::sort(failing.begin(), failing.end());
  std::string out = "<div><h3>Most dangerous rows</h3>\n";
  if (failing.empty()) return out + "<p>No row fails the gate.</p></div>\n";
  out += "<ol>";
  for (std::size_t i = 0; i < std::min(kMostNamed, failing.size()); ++i) {
    const RowVerdict& v = view.report.verdicts[failing[i].second];
    out += "<li" + row_attribute(std::to_string(v.row)) + attribute("data-t", v.reason) +
           attribute("data-p", "/verdict[row=#]") + "><b>" + escape(v.label) + "</b> " + escape(why(v, any)) +
           "\n";
  }
  out += "</ol>";
  if (failing.size() > kMostNamed)
    out += fmt::format("<p class=note>and {} more that fail, below.</p>", failing.size() - kMostNamed);
  return out + "</div>\n";
}

std::string by_models(const View& view) {
  std::string out =
      "<div class=scroll tabindex=0 role=region aria-label=\"What broke first, by model\"><table "
      "class=first><caption>What broke first, by model</caption><thead><tr><th scope=col>model<th "
      "scope=col>breaks first<th scope=col>safety breaks first<th scope=col>fail<th scope=col>review, "
      "undecided<tbody>\n";
  for (const std::string& model : view.models)
    out += "<tr><th scope=row>" + escape(model) + "<td>" + escape(first_break(view, model)) + "<td>" +
           escape(safety_break(view, model)) + "<td>" + chips(view, model, {Verdict::kFail}) + "<td>" +
           chips(view, model, {Verdict::kReview, Verdict::kUndecided}) + "\n";
  return out + "</table></div>\n";
}

}  // namespace

std::string first_break(const View& view, const std::string& model) {
  return words(view, first_break_of(view, model, false));
}

std::string summary(const View& view) {
  std::string findings;
  for (const std::string& line : view.report.findings) findings += "<p>" + escape(line) + "</p>\n";
  if (const std::string& line = view.report.hidden_danger; !line.empty())
    findings += "<p>" + escape(line) + "</p>\n";
  return "<section id=summary>" + counts(view) + findings + worst_rows(view) + by_models(view) +
         "</section>\n";
}

std::string readings(const View& view) {
  std::string out =
      "<section id=readings><h2>In words</h2>\n<details class=view><summary>Every model in "
      "words</summary><ul>\n";
  for (const std::string& line : view.report.models) out += "<li>" + escape(line) + "\n";
  out += "</ul></details>\n<details class=view><summary>Every row in words</summary><ul>\n";
  for (std::size_t r = 0; r < view.report.readings.size(); ++r)
    out += "<li" + row_attribute(std::to_string(r)) + ">" + escape(view.report.readings[r]) + "\n";
  return out + "</ul></details></section>\n";
}

}  // namespace brinkmap::audit
