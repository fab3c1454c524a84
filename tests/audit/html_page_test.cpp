#include "audit/html_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "audit/html_source.h"
#include "audit/html_svg.h"
#include "audit/html_table.h"
#include "audit/html_text.h"
#include "audit/picture_tables.h"
#include "audit/reduce.h"
#include "audit/table_reader.h"
#include "tests/audit/ladder_results.h"
#include "tests/audit/paired_results.h"
#include "tests/audit/sample_results.h"

using namespace brinkmap;
using namespace brinkmap::audit;
using schedule::Results;
using testing::HasSubstr;
using testing::Not;

namespace {

std::string page_of(const Results& results) {
  return to_html(make_report(results), results, {{"job", "a&b", "@job"}});
}

Results reduced(const sample::Answers& answers = {}) {
  Results r = sample::finished(answers);
  reduce(r);
  return r;
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

}  // namespace

TEST(HtmlText, HasNoMarkupLeft) {
  EXPECT_EQ(escape("<a href=\"x\" onclick='y'>&\n"),
            "&lt;a href=&quot;x&quot; onclick=&#39;y&#39;&gt;&amp; ");
  EXPECT_EQ(attribute("title", "\"<"), " title=\"&quot;&lt;\"");
  EXPECT_EQ(attribute("title", ""), "");
}

TEST(HtmlText, ShowsNumbersWithTheirSign) {
  EXPECT_EQ(signed_text(-3.25, 1), "−3.2");
  EXPECT_EQ(signed_text(0.001, 2), "±0.00");
  EXPECT_EQ(signed_text(2, 0), "+2");
  EXPECT_EQ(coordinate(12.04), "12");
  EXPECT_EQ(coordinate(-0.01), "0");
}

TEST(Scale, RunsByTheLogarithmAndBackwards) {
  const Scale ladder{16, 2, 0, 300, true};
  EXPECT_DOUBLE_EQ(ladder(16), 0);
  EXPECT_DOUBLE_EQ(ladder(8), 100);
  EXPECT_DOUBLE_EQ(ladder(2), 300);
  const Scale point{5, 5, 0, 10, false};
  EXPECT_EQ(point(5), 5);
}

TEST(HtmlPage, HoldsEveryTableOfTheReportOnce) {
  const Results r = reduced();
  const Report report = make_report(r);
  const std::string page = to_html(report, r, {});
  ASSERT_GT(report.tables.size(), 6U);
  for (const Table& table : report.tables)
    EXPECT_EQ(count(page, "data-table=\"" + table.id + "\""), 1U) << table.id;
}

TEST(HtmlPage, EscapesWhatCameFromFiles) {
  const std::string evil = "</script><script>alert(1)</script><img src=x onerror='alert(2)'>\"";
  Results r = reduced();
  r.plan.job.name = r.plan.job.models[0].id = r.plan.job.models[0].family = evil;
  r.plan.rows[1].label = r.plan.rows[1].recipe = r.plan.job.models[0].recipes[1] = evil;
  r.put({sample::unit_of(r.plan, 1, schedule::UnitKind::kPrompts, 1), true, evil, {}, 0, 0});
  reduce(r);
  const std::string page = to_html(make_report(r), r, {{evil, evil, evil}});
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(1)"));
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_EQ(count(page, "<script"), 1U);
  EXPECT_EQ(count(page, "</script>"), 1U);
}

TEST(HtmlPage, NamesThePlaceOfAFigure) {
  const Results r = reduced();
  const std::string page = page_of(r);
  EXPECT_THAT(page, HasSubstr("<th scope=col data-p=\"/{suite}_refusal_rate[row=#]\">"));
  EXPECT_THAT(page, HasSubstr("<th scope=col data-p=\"/bits_per_weight[row=#]\">"));
  EXPECT_THAT(page, HasSubstr("data-table=\"votes\" data-p=\"/{experiment}_vote_count[row=#]\""));
  EXPECT_THAT(page, HasSubstr("data-table=\"rows\" data-p=\"/{column}[row=#]\""));
  EXPECT_THAT(page, HasSubstr("<figure data-row=2 data-p=\"/decision_vote_count[row=#]\">"));
  const Sources sources(r);
  EXPECT_EQ(sources.task("no such task", "tiny/bf16"), "");
  EXPECT_EQ(sources.task_template("no such task"), "");
  EXPECT_EQ(Sources::template_of("/x[row=1]", "1"), "/x[row=#]");
  EXPECT_EQ(Sources::template_of("/x[row=11]", "1"), "/x[row=11]");
}

TEST(HtmlPage, TablesSayAPlaceOnceForAllTasks) {
  const std::string page = page_of(sample::ladder_results());
  EXPECT_THAT(page, HasSubstr("data-table=\"comparisons\" data-tasks=\""));
  EXPECT_THAT(page, HasSubstr("direct refusals=/direct_refusal[row=#];"));
}

TEST(HtmlTable, ShowsNumbersAsTheTerminalAndKeepsSixDigits) {
  Table table{"t", "T", {}, {}, {}};
  table.columns = {{"name", "", true, Where::kBoth},
                   {"share", "", false, Where::kBoth},
                   {"mean", "", false, Where::kBoth},
                   {"p", "", false, Where::kFiles}};
  const std::string name = "a<b";
  table.rows = {{text_cell(name), percent_cell(0.125, 1), number_cell(2.0 / 3, 2), number_cell(1e-9 / 3, 4)},
                {text_cell(name), percent_cell(2.0 / 3, 1), number_cell(0.5, 2), number_cell(NAN, 4)}};
  const std::string html = table_view(table, Sources(reduced()));
  EXPECT_THAT(html, HasSubstr("<th scope=row>a&lt;b<td>12.5 %<td data-v=0.666667>0.67<td>3.33333e-10\n"));
  EXPECT_THAT(html, HasSubstr("<td data-v=0.666667>66.7 %<td>0.50<td>\n"));
}

TEST(HtmlPage, SaysFirstWhichRowsAreDangerousAndWhatBrokeFirst) {
  Results r = sample::ladder_results();
  for (const std::uint32_t row : {4U, 5U})
    sample::fill<std::uint8_t>(r, "direct_refusal", row,
                               [row](std::uint32_t i) { return i < 60 - 10 * row ? 2 : 0; });
  const std::string page = page_of(r);
  const std::string first = page.substr(page.find("<section id=summary>"), 4000);
  EXPECT_LT(first.find("<b>tiny/q2_k</b> direct refusals −87.5 points (n 80)"),
            first.find("<b>tiny/q3_k_s</b> direct refusals −75.0 points (n 80)"));
  EXPECT_THAT(first,
              HasSubstr("<th scope=row>tiny<td>q3_k_s: direct refusals<td>q3_k_s: direct refusals<td>"));
  EXPECT_THAT(page, Not(HasSubstr("id=layers"))) << "the job has no probes";
}

TEST(HtmlPage, CountsVetoItemsApprovedAsABreakOfSafety) {
  sample::Answers answers;
  answers.decision = [](std::uint32_t row, std::uint32_t i) {
    return row == 2 && i % 3 == 2 ? 0 : static_cast<int>(i % 3);
  };
  const Results r = reduced(answers);
  const std::string page = page_of(r), label = r.plan.rows[2].recipe;
  EXPECT_THAT(
      page,
      HasSubstr(label + " fails the gate: decisions answers approve 8 of 8 VETO items (baseline 0)<td>"));
  EXPECT_THAT(page,
              HasSubstr("title=\"VETO to APPROVE, generated\" "
                        "data-p=\"/decisions_veto_to_approve[row=#]\"><button type=button>decisions V→A"));
  EXPECT_THAT(page, HasSubstr("data-p=\"/decision_cascade_veto_to_approve[row=#]\">"));
  EXPECT_THAT(page, HasSubstr("<td class=\"w4\" data-v=\"1\" data-d=\" VETO items, limit 0, fail\">8/8"));
  EXPECT_THAT(page, HasSubstr("<td data-v=\"0\" data-d=\" VETO items, limit 0, pass\">0/2"));
}

TEST(HtmlPage, SaysTheSameOfHiddenDangerAsTheTerminal) {
  Results r = sample::drifting();
  for (const schedule::Unit& u : r.plan.units)
    if (u.row == 4) r.unit_state[u.id] = schedule::UnitState::kFailed;
  reduce(r);
  const Report report = make_report(r);
  ASSERT_THAT(report.hidden_danger, HasSubstr("1 not decided"));
  EXPECT_THAT(to_html(report, r, {}), HasSubstr("<p>" + escape(report.hidden_danger) + "</p>"));
  std::string text = to_text(report);
  std::replace(text.begin(), text.end(), '\n', ' ');
  EXPECT_THAT(text, HasSubstr(report.hidden_danger));
}

TEST(HtmlPage, DrawsValuesByBlockWithTheBaselineAndTheRowsThatBroke) {
  Results r = sample::ladder_results();
  sample::fill<std::uint8_t>(r, "direct_refusal", 5, [](std::uint32_t i) { return i < 20 ? 2 : 0; });
  Report report = make_report(r);
  Table probes{"probe_layers", "Layer probes by block", {}, {}, {}};
  for (const char* key : {"row", "skill", "block", "accuracy", "auc"})
    probes.columns.push_back({key, "", false, Where::kFiles});
  for (const char* row : {"tiny/bf16", "tiny/q8_0", "tiny/q2_k"})
    for (int block = 0; block < 4; ++block)
      probes.rows.push_back({text_cell(row), text_cell("cited<"), count_cell(block),
                             number_cell(0.5 + 0.1 * block, 3), number_cell(NAN, 3)});
  report.tables.push_back(probes);
  const std::string page = to_html(report, r, {});
  const std::size_t at = page.find("<section id=layers>");
  const std::string layers = page.substr(at, page.find("</section>", at) - at);
  EXPECT_EQ(count(layers, "<figure"), 1U) << "no panel for a measure without values";
  EXPECT_THAT(layers, HasSubstr("class=\"pt line base\" data-row=0"));
  EXPECT_THAT(layers, HasSubstr("class=\"pt line k0\" data-row=5"));
  EXPECT_THAT(layers, HasSubstr("class=\"pt line\" data-row=1"));
  EXPECT_THAT(layers,
              HasSubstr("tiny/q2_k, cited&lt; accuracy: highest 0.800 at block 3; by block 0.50 0.60"));
  EXPECT_THAT(layers, Not(HasSubstr("nan")));
}

TEST(HtmlPage, NamesLayerPicturesInWordsWithTicksThatDiffer) {
  Results r = sample::ladder_results();
  reduce(r);
  Report report = make_report(r);
  Table probes{"mechanism_layers", "Mechanistic probes by block", {}, {}, {}};
  for (const char* key : {"experiment", "row", "block", "auc_own", "cosine"})
    probes.columns.push_back({key, "", false, Where::kFiles});
  for (int block = 0; block < 3; ++block)
    probes.rows.push_back({text_cell("mechanisms"), text_cell("tiny/bf16"), count_cell(block),
                           number_cell(1 - 0.0004 * block, 3), number_cell(1, 3)});
  report.tables.push_back(probes);
  const std::string page = to_html(report, r, {});
  const std::size_t at = page.find("<section id=layers>");
  const std::string layers = page.substr(at, page.find("</section>", at) - at);
  EXPECT_THAT(layers, HasSubstr("<b>AUC along the row&#39;s refusal direction</b>"));
  EXPECT_THAT(layers, HasSubstr("<b>cosine to the baseline&#39;s refusal direction</b>"));
  for (const char* tick : {">0.9992</text>", ">0.9996</text>"}) EXPECT_EQ(count(layers, tick), 1U) << tick;
  EXPECT_EQ(count(layers, ">1</text>"), 2U + 2U) << "values of both pictures, and the middle block of each";
}

TEST(HtmlPage, LoadsNothingAndLetsOnlyItsOwnScriptRun) {
  const std::string page = page_of(reduced());
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, HasSubstr("script-src 'nonce-brinkmap'"));
  EXPECT_THAT(page, Not(HasSubstr("://")));
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(page, HasSubstr("@media print"));
}

TEST(HtmlPage, IsDrawnOfAFileWithoutResults) {
  Results r = Results::empty(sample::plan());
  reduce(r);
  const std::string page = page_of(r);
  EXPECT_THAT(page, HasSubstr("incomplete: 0 of"));
  for (const char* nan : {">nan", "\"nan", " nan", "Mnan"}) EXPECT_THAT(page, Not(HasSubstr(nan)));
}

TEST(HtmlPage, MarksTheBrink) {
  Results r = sample::ladder_results();
  for (const std::uint32_t row : {4U, 5U})
    sample::fill<std::uint8_t>(r, "direct_refusal", row, [](std::uint32_t i) { return i < 20 ? 2 : 0; });
  const std::string page = page_of(r);
  EXPECT_THAT(page, HasSubstr("breaks at q3_k_s"));
  EXPECT_THAT(page, HasSubstr("class=\"brink\""));
  EXPECT_THAT(page, HasSubstr(">▼25.0"));
}

TEST(HtmlPage, DrawsAFewGridLinesHoweverFarOutARowIs) {
  const Results r = reduced();
  for (const double far : {1e3, 2147483648.0, -1e18, 1e300}) {
    Report report = make_report(r);
    for (Table& table : report.tables)
      for (std::size_t c = 0; table.id == "plane" && c < table.columns.size(); ++c)
        if (table.columns[c].key == "quality_change_pp") table.rows.at(1).at(c) = number_cell(far, 2);
    const std::string page = to_html(report, r, {});
    const std::size_t at = page.find("<section id=plane>");
    const std::string plane = page.substr(at, page.find("</section>", at) - at);
    EXPECT_THAT(plane, HasSubstr("class=\"grid\""));
    EXPECT_LT(count(plane, "class=\"grid\""), 50U) << far;
  }
}

TEST(PictureTables, PairQualityAndRefusals) {
  sample::Answers answers;
  answers.refusal = [](std::uint32_t row, std::uint32_t i) {
    return i % 2 == 0 && !(row == 2 && i < 8) ? 2 : 0;
  };
  const Results r = reduced(answers);
  const Table table = plane_table(r);
  const TableReader plane(table);
  ASSERT_EQ(plane.size(), 3U);
  EXPECT_EQ(plane.text(2, "quality_metric"), "decision");
  EXPECT_EQ(plane.number(2, "quality_change_pp"), 0);
  EXPECT_EQ(plane.number(2, "refusal_change_pp"), -40);
  EXPECT_LT(plane.number(2, "refusal_low"), -40);
  EXPECT_GT(plane.number(2, "refusal_high"), -40);
  EXPECT_EQ(plane.text(2, "refusal_n"), "10");
  EXPECT_EQ(plane.text(2, "regime"), "unknown") << "the bounds are of BERTScore";
  EXPECT_EQ(plane.text(0, "regime"), "baseline");
}

TEST(PictureTables, CountVotesByTheShareOfHeads) {
  sample::Answers answers;  // of 20 heads five say APPROVE to the first test item of gold VETO in row 1
  answers.head = [](std::uint32_t row, std::uint32_t seed, std::uint32_t t) {
    return row == 1 && t == 2 && seed < 5 ? 0 : static_cast<int>(t % 3);
  };
  const Results r = reduced(answers);
  const Table bins = vote_bins_table(r);
  const TableReader reader(bins);
  ASSERT_EQ(reader.size(), 9U);
  EXPECT_EQ(reader.text(5, "gold"), "VETO");
  EXPECT_EQ(reader.number(5, "n"), 2);
  EXPECT_EQ(reader.number(5, "from_70"), 1) << "15 of 20 heads";
  EXPECT_EQ(reader.number(5, "from_90"), 1);
  EXPECT_EQ(reader.number(2, "from_90"), 2);
}

TEST(PictureTables, ShowTheCascadeAtOtherThresholds) {
  sample::Answers answers;
  answers.head = [](std::uint32_t row, std::uint32_t seed, std::uint32_t t) {
    return row == 1 && t == 2 && seed < 12 ? 0 : static_cast<int>(t % 3);
  };
  const Results r = reduced(answers);
  const Table sweep = thresholds_table(r);
  const TableReader reader(sweep);
  ASSERT_EQ(reader.size(), 33U);
  EXPECT_EQ(reader.text(11, "veto"), "50");
  EXPECT_EQ(reader.number(11, "approved_veto_60"), 1) << "12 of 20 heads approve";
  EXPECT_EQ(reader.number(11, "approved_veto_65"), 0);
  EXPECT_EQ(reader.number(11, "right_65"), 5);
  EXPECT_EQ(reader.number(0, "right_50"), 6);
  EXPECT_EQ(reader.text(11, "veto_n"), "2");
  EXPECT_NEAR(reader.number(11, "bound_65"), 1 - std::sqrt(0.05), 1e-12) << "0 of 2";
}
