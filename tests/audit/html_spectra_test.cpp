#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "audit/html_page.h"
#include "tests/audit/ladder_results.h"

using namespace brinkmap;
using namespace brinkmap::audit;
using testing::HasSubstr;
using testing::Not;

namespace {

// Eigenvalues in the bins from 1e-1 to 1e2 of one type of matrix; lower alpha, heavier tail.
void add_matrix(Table& table, const std::string& name, double alpha) {
  std::string histogram;
  for (int b = 0; b < schedule::kSpectrumBins; ++b)
    histogram += (b == 0 ? "9" : " " + std::to_string(b >= 17 && b < 26 ? 90 / (b - 16) : 0));
  table.rows.push_back({text_cell("spectra"), text_cell("tiny"), text_cell(name), number_cell(alpha, 2),
                        number_cell(0.1, 2), number_cell(0.05, 3), number_cell(1, 3), number_cell(90, 0),
                        text_cell(histogram)});
}

std::string page_with(const std::vector<std::pair<std::string, double>>& matrices) {
  const schedule::Results results = sample::ladder_results();
  Report report = make_report(results);
  Table table{"spectra", "Spectra of the matrices", {}, {}, {}};
  for (const char* key :
       {"experiment", "model", "matrix", "alpha", "sigma", "distance", "xmin", "tail", "histogram"})
    table.columns.push_back({key, "", false, Where::kFiles});
  for (const auto& [name, alpha] : matrices) add_matrix(table, name, alpha);
  report.tables.push_back(table);
  const std::string page = to_html(report, results, {});
  const std::size_t at = page.find("<section id=spectra>");
  return at == std::string::npos ? "" : page.substr(at, page.find("</section>", at) - at);
}

}  // namespace

TEST(SpectraPicture, ShowsTheExtremesOfEveryTypeAndKeepsTheOthers) {
  const std::string section =
      page_with({{"blk.0.attn_q", 3}, {"blk.1.attn_q", 2}, {"blk.2.attn_q", 4}, {"blk.0.ffn_up", 5}});
  const std::size_t others = section.find("The matrices between");
  ASSERT_NE(others, std::string::npos);
  EXPECT_LT(section.find("<b>blk.1.attn_q</b>"), others) << "the heaviest tail";
  EXPECT_LT(section.find("<b>blk.2.attn_q</b>"), others) << "the lightest";
  EXPECT_LT(section.find("<b>blk.0.ffn_up</b>"), others) << "the only one of its type";
  EXPECT_GT(section.find("<b>blk.0.attn_q</b>"), others);
  EXPECT_THAT(section, HasSubstr("tiny blk.1.attn_q: α 2.00 ± 0.10, D 0.050, tail from 1.000"));
  EXPECT_THAT(section, HasSubstr("n 253")) << "the first bin holds all beyond and is not drawn";
  EXPECT_THAT(section, HasSubstr("class=law"));
  EXPECT_THAT(section, Not(HasSubstr("nan")));
}

TEST(SpectraPicture, LeavesOutMatricesWithoutAFit) {
  EXPECT_THAT(page_with({{"blk.0.attn_q", NAN}}), Not(HasSubstr("<figure")));
  EXPECT_THAT(page_with({{"blk.0.attn_q", 3}}), HasSubstr("<figure"));
}
