#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "audit/analysis.h"

using namespace brinkmap::audit;

namespace {

std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// "corr.pooled" of "corr.pooled.rows41.bertscore.refusal": what the counts are kept by.
std::string family_of(const std::string& name) {
  const std::size_t dot = name.find('.');
  return name.substr(0, name.find('.', dot + 1));
}

class PublishedMatrix : public testing::Test {
 protected:
  void SetUp() override {
    const std::filesystem::path folder = std::filesystem::path(BRINKMAP_REFERENCE_DIR) / "audit";
    if (!std::filesystem::exists(folder / "EXPECTED.json"))
      GTEST_SKIP() << "the published tables are not there: " << folder;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (is_matrix_file(name)) files_[name] = {entry.path().string(), text_of(entry.path())};
    }
    expected_ = nlohmann::json::parse(text_of(folder / "EXPECTED.json"));
  }

  std::map<std::string, SourceText> files_;
  nlohmann::json expected_;
};

}  // namespace

TEST_F(PublishedMatrix, GivesEveryVerifiedFigureWithinItsTolerance) {
  const auto figures = nlohmann::json::parse(to_json(analyze(read_outside_matrix("published", files_))));
  std::map<std::string, std::pair<int, int>> met;  // of all, by family
  std::string missed;
  for (const auto& entry : expected_["entries"]) {
    if (!entry["verified"].get<bool>()) continue;
    const std::string name = entry["name"];
    const double value = entry["value"], tolerance = entry["tolerance"];
    auto& [good, all] = met[family_of(name)];
    ++all;
    const auto at = figures.find(name);
    if (at == figures.end() || !at->is_number())
      missed += "not computed: " + name + "\n";
    else if (!(std::abs(at->get<double>() - value) <= tolerance))
      missed += name + ": expected " + entry["value"].dump() + ", found " + at->dump() + "\n";
    else
      ++good;
  }
  std::string counts;
  int sum = 0;
  for (const auto& [family, count] : met) {
    sum += count.first;
    counts += family + " " + std::to_string(count.first) + "/" + std::to_string(count.second) + "\n";
  }
  EXPECT_TRUE(missed.empty()) << missed << "met by family:\n" << counts;
  EXPECT_GT(sum, 300);  // the file holds that many
}

TEST_F(PublishedMatrix, CountsTheCatalogueOfFailureModes) {
  const auto figures = nlohmann::json::parse(to_json(analyze(read_outside_matrix("published", files_))));
  const auto count = [&](const char* code) { return figures.at(std::string("taxonomy.count.") + code); };
  EXPECT_EQ(count("TAX_002"), 9);   // METHOD.md 7: final labels
  EXPECT_EQ(count("TAX_003"), 1);   // METHOD.md 7
  EXPECT_EQ(count("TAX_004"), 0);   // METHOD.md 7: none observed
  EXPECT_EQ(count("TAX_005"), 21);  // METHOD.md 16: of the 47 rows with judge data
  EXPECT_EQ(count("TAX_006"), 6);   // METHOD.md 12: Q5_K_M, all models
  EXPECT_EQ(figures.at("taxonomy.phi-2.Q5_K_M.TAX_006"), 1);
  EXPECT_EQ(figures.at("taxonomy.phi-2.Q8_0.TAX_006"), 0);
  EXPECT_FALSE(figures.contains("taxonomy.qwen2.5-7b.AWQ.TAX_005"));  // no judge data
  int rows = 0;
  for (const auto& [name, value] : figures.items())
    if (name.starts_with("taxonomy.") && name.ends_with(".TAX_001") && name != "taxonomy.count.TAX_001")
      rows += value.get<int>();
  EXPECT_EQ(count("TAX_001"), rows);
  EXPECT_GT(rows, 0);
  EXPECT_LT(rows, 45);
}

TEST_F(PublishedMatrix, FitsAHundredColumns) {
  const std::string text = to_text(analyze(read_outside_matrix("published", files_)));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(display_width(line), 100U) << line;
}

TEST_F(PublishedMatrix, IsTheSameWhenTheTablesSayLess) {
  const Analysis whole = analyze(read_outside_matrix("published", files_));
  std::map<std::string, SourceText> only;
  for (const auto& [name, source] : files_)
    if (name.starts_with("matrix")) only[name] = source;
  const Analysis part = analyze(read_outside_matrix("published", only));
  EXPECT_EQ(part.notes.size(), 4U);  // says what is not there
  std::map<std::string, double> figures;
  for (const Figure& f : whole.figures.all()) figures[f.name] = f.value;
  EXPECT_LT(part.figures.all().size(), figures.size());
  for (const Figure& f : part.figures.all()) {
    ASSERT_TRUE(figures.contains(f.name)) << f.name;
    EXPECT_TRUE(f.value == figures[f.name] || std::isnan(f.value)) << f.name;
  }
}
