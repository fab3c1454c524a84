#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/html_page.h"
#include "audit/reduce.h"
#include "tests/audit/judged_results.h"

using namespace brinkmap;
using namespace brinkmap::audit;
using testing::HasSubstr;
using testing::Not;

namespace {

std::string section_of(const sample::Judged& judged) {
  schedule::Results results = sample::judged(judged);
  reduce(results);
  const std::string page = to_html(make_report(results), results, {});
  const std::size_t at = page.find("<section id=judges>");
  return at == std::string::npos ? "" : page.substr(at, page.find("</section>", at) - at);
}

}  // namespace

TEST(JudgesPicture, ShowsTheKappaOfEachRowAndTheLeastTheGateAsksFor) {
  sample::Judged j;
  j.gate = ", kappa: 0.6";
  j.second = [](std::uint32_t row, std::uint32_t i) { return row == 1 ? 2 : i % 2 == 0 ? 0 : 2; };
  const std::string section = section_of(j);
  EXPECT_THAT(section, HasSubstr("gate asks for 0.6"));
  EXPECT_THAT(section, HasSubstr("tiny/bf16, second: kappa 1.00"));
  EXPECT_THAT(section, HasSubstr("tiny/q8_0, second: kappa 0.00"));
  EXPECT_THAT(section, HasSubstr("broken"));
  for (const char* table : {"judges", "judge_strata", "judge_verdicts"})
    EXPECT_THAT(section, HasSubstr(std::string("data-table=\"") + table + "\""));
}

TEST(JudgesPicture, SaysWhereEachKappaStandsInTheFile) {
  const std::string section = section_of({});
  EXPECT_THAT(section, HasSubstr("data-p=\"/second_kappa[row=1]\""));
  EXPECT_THAT(section, HasSubstr("data-p=\"/second_label\"")) << "of all rows together";
}

TEST(JudgesPicture, IsNotThereWithoutJudges) {
  schedule::Results results = sample::finished({});
  reduce(results);
  EXPECT_THAT(to_html(make_report(results), results, {}), Not(HasSubstr("<section id=judges>")));
}
