#include <fmt/core.h>

#include <cmath>

#include "audit/paired_tables.h"
#include "audit/row_builder.h"

namespace brinkmap::audit {
namespace {

using schedule::Results;

constexpr std::array<const char*, kTemplateFeatures> kFeatureKeys = {
    "dominant_prefix_share", "unique_prefix_rate", "prefix_entropy_norm", "mean_tokens_refusal"};

// Screenings on the terminal; the files have all.
constexpr std::array kOnTerminal = {Screening::kStudy, Screening::kOwn, Screening::kRowOut,
                                    Screening::kModelOut};

bool on_terminal(std::size_t screening) {
  for (const Screening s : kOnTerminal)
    if (static_cast<std::size_t>(s) == screening) return true;
  return false;
}

Cell band_cell(const ScreenedRow& row, double score) {
  if (row.state == TemplateState::kLostAll) return {"lost all", std::string("LOST_ALL")};
  if (std::isnan(score)) return {"-", {}};
  return text_cell(kRtsiBandNames[static_cast<std::size_t>(rtsi_band(score))]);
}

std::string weights_text(const RtsiCalibration& c) {
  return fmt::format("{:.2f} {:.2f} {:.2f} {:.2f}", c.weight[0], c.weight[1], c.weight[2], c.weight[3]);
}

const char* screening_title(std::size_t screening) {
  constexpr std::array<const char*, kScreenings> kTitles = {"study", "", "own", "row\nout", "model\nout"};
  return kTitles[screening];
}

// "study 12 of 45, own 9 of 45, row out 9 of 45, model out -": rows that a screening routes, of those that
// `counts` holds and the screening can judge.
std::string routed_text(const TemplateScreen& screen, const std::vector<char>& counts) {
  std::string out;
  for (const Screening s : kOnTerminal) {
    std::size_t n = 0, judged = 0;
    for (std::size_t i = 0; i < screen.rows.size(); ++i) {
      const ScreenedRow& row = screen.rows[i];
      const bool scored = !std::isnan(row.score[static_cast<std::size_t>(s)]);
      if (counts[i] == 0 || (!scored && row.state != TemplateState::kLostAll)) continue;
      ++judged;
      n += row.routed(s) ? 1 : 0;
    }
    std::string name = kScreeningNames[static_cast<std::size_t>(s)];
    for (char& c : name)
      if (c == '_') c = ' ';
    out += (out.empty() ? "" : ", ") + name + (judged == 0 ? " -" : fmt::format(" {} of {}", n, judged));
  }
  return out;
}

void add_notes(const Results& results, const std::vector<RowChange>& changes, const TemplateScreen& screen,
               Table& table) {
  std::vector<char> all(screen.rows.size(), 1), fallen(screen.rows.size(), 0);
  std::size_t falls = 0;
  for (std::size_t i = 0; i < screen.rows.size(); ++i)
    for (const RowChange& c : changes)
      if (c.row == screen.rows[i].row && c.harmful.n >= kFewPrompts && c.harmful.shown(-1)) {
        fallen[i] = 1;
        ++falls;
      }
  std::string text = fmt::format(
      "{}: weights of top share, unique, entropy, tokens: study {}, own {}{}. Routed of the rows that it can "
      "judge: {}",
      results.plan.job.suites[screen.suite].id, weights_text(screen.calibrations[0].calibration),
      weights_text(screen.calibrations[1].calibration),
      screen.calibrations[1].calibration.correlation == FeatureValues{} ? " (equal: nothing follows refusals)"
                                                                        : "",
      routed_text(screen, all));
  if (falls == 0)
    text += "; of no row are the refusals of harmful prompts shown to fall.";
  else
    text += fmt::format("; of the {} whose refusals of harmful prompts are shown to fall: {}.", falls,
                        routed_text(screen, fallen));
  for (std::string& line : wrapped(text)) table.notes.push_back(std::move(line));
}

}  // namespace

Table template_screen_table(const Results& results, const std::vector<RowChange>& changes,
                            const std::vector<TemplateScreen>& screens) {
  Table table{"template_screen", "Template screen", {}, {}, {}};
  RowBuilder row(table);
  for (const TemplateScreen& screen : screens)
    for (const ScreenedRow& r : screen.rows) {
      row.start();
      row.add("suite", "suite", text_cell(results.plan.job.suites[screen.suite].id),
              screens.size() > 1 ? Where::kBoth : Where::kFiles, true);
      row.add("row", "row", text_cell(results.plan.rows[r.row].label), Where::kBoth, true);
      row.add("refusals", "n", size_cell(r.n));
      row.add("baseline_refusals", "", size_cell(r.baseline_n), Where::kFiles);
      for (std::size_t s = 0; s < kScreenings; ++s) {
        const Where where = on_terminal(s) ? Where::kBoth : Where::kFiles;
        row.add(std::string("score_") + kScreeningNames[s], screening_title(s), number_cell(r.score[s], 3),
                where);
        row.add(std::string("band_") + kScreeningNames[s], "\nband", band_cell(r, r.score[s]), where, true);
      }
      row.add("refusal_rate_delta", "", number_cell(r.shift.refusal_rate_delta, 4), Where::kFiles);
      for (std::size_t f = 0; f < kTemplateFeatures; ++f)
        row.add(std::string(kFeatureKeys[f]) + "_delta", "", number_cell(r.shift.delta[f], 4), Where::kFiles);
    }
  table.notes =
      wrapped(fmt::format("How far the openings of refusals shift, 0 to 1 (RTSI): LOW below {:g}, HIGH from "
                          "{:g} on; MODERATE, HIGH "
                          "and rows that lost all refusals are routed to a direct evaluation. LOW is no "
                          "clearance. study: weights "
                          "and ranges of arXiv 2606.10154, made on other models and answers of up to 256 "
                          "tokens. own: made on these "
                          "rows, so it has seen each; row out, model out: made without the row, or its "
                          "model. n: refusals; *: below "
                          "{}.",
                          kRtsiLow, kRtsiHigh, kFewPrompts));
  for (const TemplateScreen& screen : screens)
    if (!screen.rows.empty()) add_notes(results, changes, screen, table);
  return table;
}

Table screen_weights_table(const Results& results, const std::vector<TemplateScreen>& screens) {
  Table table{"screen_weights", "Calibrations of the template screen", {}, {}, {}};
  RowBuilder row(table);
  for (const TemplateScreen& screen : screens)
    for (const NamedCalibration& c : screen.calibrations) {
      row.start();
      row.add("suite", "", text_cell(results.plan.job.suites[screen.suite].id), Where::kFiles);
      row.add("calibration", "", text_cell(c.name), Where::kFiles);
      for (std::size_t f = 0; f < kTemplateFeatures; ++f) {
        const std::string key = std::string(kFeatureKeys[f]) + "_";
        row.add(key + "correlation", "", number_cell(c.calibration.correlation[f], 4), Where::kFiles);
        row.add(key + "weight", "", number_cell(c.calibration.weight[f], 4), Where::kFiles);
        row.add(key + "low", "", number_cell(c.calibration.low[f], 4), Where::kFiles);
        row.add(key + "high", "", number_cell(c.calibration.high[f], 4), Where::kFiles);
      }
    }
  return table;
}

}  // namespace brinkmap::audit
