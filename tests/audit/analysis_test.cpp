#include "audit/analysis.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "schedule/error.h"

using namespace brinkmap::audit;

namespace {

// A matrix with labels of its own: two models, one level in a format of theirs, only what is required.
constexpr const char* kHeader =
    "model,family,quant,format,bpw,is_baseline,refusal_count,refusal_n,bertscore_delta_pp\n";
constexpr const char* kRows =
    "ant,Insects,full,raw,16,1,90,100,0\n"
    "ant,Insects,half,odd,8,0,70,100,-1\n"
    "bee,Insects,full,raw,16,1,80,100,0\n"
    "bee,Insects,half,odd,8,0,84,100,-6\n";

using Files = std::map<std::string, SourceText>;

Files files_of(const std::string& rows) { return {{"matrix.csv", {"m/matrix.csv", kHeader + rows}}}; }

std::map<std::string, double> figures_of(const Files& files) {
  const Analysis analysis = analyze(read_outside_matrix("m", files));
  std::map<std::string, double> out;
  for (const Figure& f : analysis.figures.all()) out[f.name] = f.value;
  return out;
}

std::string error_of(const Files& files) {
  try {
    analyze(read_outside_matrix("m", files));
  } catch (const brinkmap::InputError& e) {
    return e.what();
  }
  return "";
}

void expect_error(const Files& files, const std::string& part) {
  EXPECT_NE(error_of(files).find(part), std::string::npos)
      << "wanted " << part << ", got " << error_of(files);
}

}  // namespace

TEST(Analysis, TakesAMatrixOfOtherNames) {
  const auto figures = figures_of(files_of(kRows));
  EXPECT_EQ(figures.at("regime.count.hidden_danger"), 1);
  EXPECT_EQ(figures.at("regime.count.neutral"), 1);  // refusal rises by 4 only
  EXPECT_EQ(figures.at("regime.hidden_danger_by_format.odd"), 1);
  EXPECT_EQ(figures.at("asymmetry.ratio.ant.half"), 20);
  EXPECT_EQ(figures.at("asymmetry.safety_faster.rows2"), 1);
  EXPECT_EQ(figures.at("quant_level.mean_refusal_delta_pp.half"), -8);
  EXPECT_EQ(figures.at("quant_level.max_abs_refusal_delta_pp.half"), 20);
  EXPECT_NEAR(figures.at("corr.pooled.rows2.bertscore.refusal"), -1, 1e-12);
  EXPECT_EQ(figures.at("deployment.count.half.reject"), 1);
  EXPECT_EQ(figures.at("deployment.count.half.undecided"), 1);  // no judge
  EXPECT_NEAR(figures.at("bpw.rows4.refusal.ant.slope"), 0.2 / 8, 1e-12);
}

TEST(Analysis, LeavesOutWhatOneRowLacks) {
  const auto figures = figures_of(files_of(std::string(kRows) + "bee,Insects,third,odd,5,0,80,100,\n"));
  EXPECT_EQ(figures.at("regime.count.unknown"), 1);
  EXPECT_FALSE(figures.contains("corr.pooled.rows3.bertscore.refusal"));
  EXPECT_FALSE(figures.contains("asymmetry.safety_faster.rows3"));
  EXPECT_FALSE(figures.contains("quant_level.mean_bertscore_delta_pp.third"));
  EXPECT_TRUE(figures.contains("quant_level.mean_refusal_delta_pp.third"));
  EXPECT_FALSE(figures.contains("quant_level.mean_truthfulness_delta_pp.half"));
}

TEST(Analysis, GivesARowEveryCodeOfItsFailureModes) {
  const std::string rows =
      "ant,Insects,full,GGUF,16,1,90,100,0,100,0,0,0\n"
      "ant,Insects,half,GGUF,8,0,88,100,-1,100,0,0,0\n"
      "ant,Insects,third,GGUF,5,0,10,100,-1.5,100,-2,0,0\n"
      "bee,Insects,full,GGUF,16,1,80,100,0,99,0,0,19\n"
      "bee,Insects,half,GGUF,8,0,81,100,-1,99,0,0,20\n"
      "bee,Insects,third,GGUF,5,0,85,100,-6,,,,\n";
  Files files = files_of("");
  files["matrix.csv"].text =
      "model,family,quant,format,bpw,is_baseline,refusal_count,refusal_n,bertscore_delta_pp,"
      "judge_refusal_pct,judge_refusal_delta_pp,truthfulness_delta_pp,judge_minus_regex_refusal_pp\n" +
      rows;
  const auto figures = figures_of(files);
  EXPECT_EQ(figures.at("taxonomy.ant.third.TAX_002"), 1);
  EXPECT_EQ(figures.at("taxonomy.ant.full.TAX_002"), 0);
  EXPECT_EQ(figures.at("taxonomy.count.TAX_002"), 1);
  EXPECT_EQ(figures.at("taxonomy.count.TAX_003"), 0);
  EXPECT_EQ(figures.at("taxonomy.bee.third.TAX_004"), 1);
  EXPECT_EQ(figures.at("taxonomy.bee.half.TAX_005"), 1);
  EXPECT_EQ(figures.at("taxonomy.bee.full.TAX_005"), 0);  // 19 points
  EXPECT_FALSE(figures.contains("taxonomy.bee.third.TAX_005"));
  EXPECT_EQ(figures.at("taxonomy.count.TAX_005"), 1);
}

TEST(Analysis, MarksRowsOfModelsThatThePooledDirectionHides) {
  const auto figures =
      figures_of(files_of("ant,I,full,raw,16,1,90,100,0\n"
                          "ant,I,half,odd,8,0,80,100,-1\n"
                          "ant,I,third,odd,5,0,30,100,-8\n"
                          "bee,I,full,raw,16,1,80,100,0\n"
                          "bee,I,half,odd,8,0,80,100,-1\n"
                          "bee,I,third,odd,5,0,84,100,-2\n"));
  EXPECT_GT(figures.at("corr.pooled.rows4.bertscore.refusal"), 0);
  EXPECT_EQ(figures.at("taxonomy.count.TAX_001"), 2);
  EXPECT_EQ(figures.at("taxonomy.bee.half.TAX_001"), 1);
  EXPECT_EQ(figures.at("taxonomy.bee.full.TAX_001"), 0);  // a baseline has no direction
  EXPECT_EQ(figures.at("taxonomy.ant.third.TAX_001"), 0);
  EXPECT_EQ(figures.at("taxonomy.count.TAX_006"), 0);  // no floor without a judge
  EXPECT_FALSE(figures.contains("taxonomy.count.TAX_005"));
  const auto gaps = figures_of(files_of(std::string(kRows) + "bee,Insects,third,odd,5,0,80,100,\n"));
  EXPECT_FALSE(gaps.contains("taxonomy.count.TAX_001"));
  EXPECT_FALSE(gaps.contains("taxonomy.bee.third.TAX_002"));
  EXPECT_EQ(gaps.at("taxonomy.count.TAX_002"), 1);
}

TEST(Analysis, SaysWhichTablesAreNotThere) {
  const Analysis a = analyze(read_outside_matrix("m", files_of(kRows)));
  EXPECT_EQ(a.notes.size(), 4U);
  EXPECT_NE(to_text(a).find("not in the folder: rtsi_table.csv"), std::string::npos);
}

TEST(Analysis, PrintsUnknownFiguresAsNull) {
  const Analysis a = analyze(read_outside_matrix("m", files_of("ant,I,full,raw,16,1,9,10,0\n"
                                                               "ant,I,half,odd,8,0,8,10,0\n")));
  const auto json = nlohmann::json::parse(to_json(a));
  EXPECT_TRUE(json.at("asymmetry.ratio.ant.half").is_null());  // infinite
  EXPECT_EQ(json.at("regime.shape.rows"), 2);
  EXPECT_EQ(json.size(), a.figures.all().size());
}

TEST(Analysis, UsesTheMiddleOfADerivedInterval) {
  Files files = files_of("");
  files["matrix.csv"].text =
      "model,family,quant,format,bpw,is_baseline,refusal_count,refusal_n,bertscore_delta_pp,"
      "bertscore_delta_pp_derived_lo,bertscore_delta_pp_derived_hi\n"
      "ant,I,full,raw,16,1,90,100,0,,\nant,I,half,odd,8,0,70,100,,-5,-3\n";
  EXPECT_EQ(figures_of(files).at("regime.count.near_hidden_danger"), 1);
  EXPECT_NE(to_text(analyze(read_outside_matrix("m", files))).find("~-4.00"), std::string::npos);
}

TEST(OutsideMatrix, IsRefusedWithFileLineAndColumn) {
  const std::string rows = kRows;
  expect_error({}, "m: expected a file matrix*.csv");
  expect_error({{"matrix.csv", {"m/matrix.csv", "model\nant\n"}}}, "m/matrix.csv: line 1: expected a column");
  expect_error(files_of(""), "expected at least one row");
  expect_error(files_of(rows + "bee,Insects,half,odd,8,0,84,100,-6\n"), "line 6, column quant: bee half");
  expect_error(files_of(rows + "bee,Insects,other,odd,8,1,84,100,-6\n"), "second baseline");
  expect_error(files_of(rows + "cat,Cats,half,odd,8,0,84,100,-6\n"), "cat has no baseline");
  expect_error(files_of("ant,I,full,raw,16,1,101,100,0\n"), "line 2, column refusal_count");
  expect_error(files_of("ant,I,full,raw,16,1,0,0,0\n"), "line 2, column refusal_n");
  expect_error(files_of("ant,I,full,raw,16,2,1,10,0\n"), "column is_baseline: expected 0 or 1");
  expect_error(files_of("ant,I,full,raw,16,1,1,10,nan\n"), "column bertscore_delta_pp");
  expect_error(files_of(",I,full,raw,16,1,1,10,0\n"), "column model: expected a value");
  Files two = files_of(rows);
  two["matrix2.csv"] = two["matrix.csv"];
  expect_error(two, "second file matrix*.csv");
}

TEST(OutsideMatrix, ChecksTheOtherTablesAgainstItsRows) {
  const std::string header =
      "base_model,quant,refusal_rate_delta,dominant_prefix_share_delta,unique_prefix_rate_delta,"
      "prefix_entropy_norm_delta,mean_tokens_refusal_delta\n";
  Files files = files_of(kRows);
  files["rtsi_table.csv"] = {"m/rtsi_table.csv", header + "cow,half,0,0,0,0,0\n"};
  expect_error(files, "rtsi_table.csv: line 2, column quant: the matrix has no row cow half");
  files["rtsi_table.csv"].text = header + "ant,full,0,0,0,0,0\n";
  expect_error(files, "no baseline");
  files["rtsi_table.csv"].text = header + "ant,half,0,0,0,0,0\nant,half,0,0,0,0,0\n";
  expect_error(files, "line 3, column quant: the row stands there twice");
  files["rtsi_table.csv"].text = header + "ant,half,0,0,0,0,\n";
  expect_error(files, "column mean_tokens_refusal_delta: expected a value");
  files.erase("rtsi_table.csv");
  for (const char* bad : {"[]", "{\"rows\":[1]}", "{", "{\"rows\":[{\"model\":\"ant\",\"quant\":\"half\"}]}",
                          "{\"rows\":[{\"model\":\"ant\",\"quant\":\"half\",\"counts\":[0]}]}",
                          "{\"rows\":[{\"model\":\"ant\",\"quant\":\"x\",\"counts\":[1]}]}"}) {
    files["prefix_histograms.json"] = {"m/prefix_histograms.json", bad};
    expect_error(files, "prefix_histograms.json");
  }
}

TEST(Analysis, ScoresAScreenOfTwoRows) {
  Files files = files_of(kRows);
  files["rtsi_table.csv"] = {"m/rtsi_table.csv",
                             "base_model,quant,refusal_rate_delta,dominant_prefix_share_delta,"
                             "unique_prefix_rate_delta,prefix_entropy_norm_delta,mean_tokens_refusal_delta\n"
                             "ant,half,-0.3,-0.5,0.4,0.3,20\nbee,half,0,0,0,0,0\n"};
  const auto figures = figures_of(files);
  EXPECT_NEAR(figures.at("rtsi.in_sample.score.ant.half"), 1, 1e-12);
  EXPECT_EQ(figures.at("rtsi.in_sample.score.bee.half"), 0);
  EXPECT_EQ(figures.at("rtsi.in_sample.danger_rows_routed"), 1);
  EXPECT_EQ(figures.at("single_feature.directional.recall_of_1.refusal_rate"), 1);
  EXPECT_EQ(figures.at("routing.in_sample.recovered_pct_at_0.4"), 100);
  EXPECT_EQ(figures.at("routing.material_loss_cells"), 1);
  EXPECT_TRUE(figures.contains("rtsi.leave_one_model_out.score.ant.half"));
  EXPECT_FALSE(figures.contains("rtsi.leave_one_quant_out.score.ant.half"));      // one level only
  EXPECT_FALSE(figures.contains("rtsi.score.max_abs_error_vs_released_column"));  // none released
}

TEST(Analysis, DescribesOpeningsByTheirCounts) {
  Files files = files_of(kRows);
  files["prefix_histograms.json"] = {"m/prefix_histograms.json",
                                     R"({"rows":[{"model":"ant","quant":"full","counts":[2,2]},
                                                 {"model":"ant","quant":"half","counts":[3,1]}]})"};
  const auto figures = figures_of(files);
  EXPECT_EQ(figures.at("template.baseline_prefix_entropy_norm.ant"), 1);
  EXPECT_EQ(figures.at("template.dominant_prefix_share.ant.half"), 0.75);
  EXPECT_EQ(figures.at("template.unique_prefix_rate.ant.half"), 0.5);
  EXPECT_NEAR(figures.at("template.prefix_entropy_norm.ant.half"),
              -(0.75 * std::log2(0.75) + 0.25 * std::log2(0.25)), 1e-12);
  EXPECT_EQ(figures.at("template.destabilised_rows_of_1"), 0);  // the share rises
}

TEST(Figures, RefuseTwoOfOneName) {
  Figures figures;
  figures.add("a.b", 1);
  EXPECT_THROW(figures.add("a.b", 2), brinkmap::InputError);
}
