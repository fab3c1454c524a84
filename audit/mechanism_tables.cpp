#include "audit/mechanism_tables.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "audit/mechanism_blocks.h"
#include "audit/mechanism_tests.h"
#include "audit/paired_tables.h"
#include "audit/row_builder.h"
#include "audit/usable.h"

namespace brinkmap::audit {
namespace {

using schedule::ExperimentKind;
using schedule::ExperimentSpec;
using schedule::Results;

constexpr std::size_t kMostPrintedLayers = 60;  // lines

std::vector<std::uint32_t> experiments_of(const Results& results) {
  std::vector<std::uint32_t> out;
  for (std::uint32_t e = 0; e < results.plan.job.experiments.size(); ++e)
    if (results.plan.job.experiments[e].kind == ExperimentKind::kMechanisms) out.push_back(e);
  return out;
}

// The experiment's name, which the terminal needs only where there are several.
void add_experiment(RowBuilder& row, const Results& results, const std::string& id) {
  row.add("experiment", "experiment", text_cell(id),
          experiments_of(results).size() > 1 ? Where::kBoth : Where::kFiles, true);
}

Cell signed_cell(double value, int digits) {
  return std::isnan(value) ? Cell{"-", {}} : shown_cell(fmt::format("{:+.{}f}", value, digits), value);
}

// Figures of harmful prompts on the terminal; the files have all, of both sets.
void add_first_token(RowBuilder& row, const Results& results, const std::string& p, std::uint32_t r) {
  const auto of = [&](const std::string& what, std::size_t set) {
    return results.at<double>(p + "first_" + what, r)[set];
  };
  row.add("harmful_entropy", "entropy\nnat", number_cell(of("entropy", 0), 3));
  row.add("harmful_entropy_shift", "\nshift", signed_cell(of("entropy_shift", 0), 3));
  row.add("harmful_top1", "", number_cell(of("top1", 0), 4), Where::kFiles);
  row.add("harmful_agree", "same\ntoken", percent_cell(of("agree", 0), 0));
  row.add("harmful_ece", "\nECE", number_cell(of("ece", 0), 3));
  for (const std::size_t set : {std::size_t{0}, std::size_t{1}}) {
    const std::string name = set == 0 ? "harmful_" : "harmless_";
    const auto more = [&](const char* what) {
      row.add(name + what, "", number_cell(of(what, set), 4), Where::kFiles);
    };
    if (set == 1)
      for (const char* what : {"entropy", "entropy_shift", "top1", "agree", "ece"}) more(what);
    for (const char* what :
         {"top1_shift", "top5", "top5_shift", "gini", "gini_shift", "range", "range_shift"})
      more(what);
    for (const char* what : {"n", "pairs"})
      row.add(name + what, "", count_cell(results.at<std::int32_t>(p + "first_" + what, r)[set]),
              Where::kFiles);
  }
}

void add_direction(RowBuilder& row, const Results& results, const std::string& p, std::uint32_t r) {
  const auto value = [&](const char* what) { return results.value<double>(p + what, r); };
  const auto count = [&](const char* what) { return count_cell(results.value<std::int32_t>(p + what, r)); };
  row.add("direction_block", "", count("direction_block"), Where::kFiles);
  row.add("direction_norm", "norm", number_cell(value("direction_norm"), 2));
  row.add("direction_norm_ratio", "/ base", number_cell(value("direction_norm_ratio"), 2));
  row.add("direction_cosine", "cosine", number_cell(value("direction_cosine"), 3));
  row.add("direction_auc_own", "AUC\nown", number_cell(value("direction_auc_own"), 3));
  row.add("direction_auc_baseline", "\nbase", number_cell(value("direction_auc_baseline"), 3));
  row.add("direction_harmful_n", "", count("direction_harmful_n"), Where::kFiles);
  row.add("direction_harmless_n", "", count("direction_harmless_n"), Where::kFiles);
  row.add("neuron_ratio", "error\nratio", number_cell(value("neuron_ratio"), 2));
  row.add("neuron_share", "", number_cell(value("neuron_share"), 4), Where::kFiles);
  row.add("neuron_overlap", "", number_cell(value("neuron_overlap_mean"), 4), Where::kFiles);
  row.add("neuron_n", "", count("neuron_n"), Where::kFiles);
  row.add("missing", "", count("missing"), Where::kFiles);
}

// "direct: 100 harmful prompts, benign: 100 harmless ones"
std::string prompts_text(const Results& results, std::uint32_t experiment) {
  const auto text = [&](std::uint32_t suite, std::uint8_t expected, const char* word) {
    const std::vector<std::uint8_t>& all = results.plan.facts.suites.at(suite).expected;
    return fmt::format("{} {} prompts of {}", std::count(all.begin(), all.end(), expected), word,
                       results.plan.job.suites.at(suite).id);
  };
  return text(schedule::suite_of(results.plan, experiment), 1, "harmful") + " against " +
         text(schedule::harmless_suite_of(results.plan, experiment), 0, "harmless");
}

void append(Table& table, const std::string& text) {
  for (std::string& line : wrapped(text)) table.notes.push_back(std::move(line));
}

}  // namespace

Table mechanisms_table(const Results& results) {
  Table table{"mechanisms", "Mechanistic probes: harmful against harmless prompts", {}, {}, {}};
  RowBuilder row(table);
  for (const std::uint32_t index : experiments_of(results)) {
    const std::string& id = results.plan.job.experiments[index].id;
    for (std::uint32_t r = 0; r < results.plan.rows.size(); ++r) {
      row.start();
      add_experiment(row, results, id);
      row.add("row", "row", text_cell(results.plan.rows[r].label), Where::kBoth, true);
      add_first_token(row, results, id + "_", r);
      add_direction(row, results, id + "_", r);
    }
    append(table, id + ": " + prompts_text(results, index) + ".");
  }
  if (table.rows.empty()) return table;
  append(
      table,
      "First answer token of harmful prompts: entropy and its change against the baseline, share of prompts "
      "whose most likely token is the baseline's, and how far its probability is from that share (ECE, ten "
      "bins). Refusal direction: mean state of the harmful minus of the harmless prompts behind the block "
      "at 0.65 of the depth: norm, norm over the baseline's, cosine with the baseline's, and AUC along the "
      "row's own direction and along the baseline's (one half of the prompts makes the direction, the other "
      "half is told apart). Error ratio: change of the safety neurons, the 5 % of the dimensions with the "
      "largest difference on the baseline, over that of the others, mean over up to five blocks from 0.2 to "
      "0.8 of the depth.");
  return table;
}

Table mechanism_layers_table(const Results& results) {
  Table table{"mechanism_layers", "Mechanistic probes by block", {}, {}, {}};
  std::size_t lines = 0;
  for (const std::uint32_t index : experiments_of(results))
    for (std::uint32_t r = 0; r < results.plan.rows.size(); ++r)
      lines += schedule::experiment_items(results.plan, index, r);
  const Where where = lines > kMostPrintedLayers ? Where::kFiles : Where::kBoth;
  RowBuilder row(table);
  for (const std::uint32_t index : experiments_of(results))
    for (std::uint32_t r = 0; r < results.plan.rows.size(); ++r) {
      const std::string& id = results.plan.job.experiments[index].id;
      const std::vector<char> usable = usable_parts(results, index, r);
      for (std::size_t b = 0; b < usable.size(); ++b) {
        const auto number = [&](const char* key, const char* title, int digits) {
          const double v = results.at<double>(id + "_" + key, r)[b];
          row.add(key, title,
                  number_cell(usable[b] != 0 ? v : std::numeric_limits<double>::quiet_NaN(), digits), where);
        };
        const auto count = [&](const char* key) {
          const std::int32_t n = results.at<std::int32_t>(id + "_" + key, r)[b];
          row.add(key, "", count_cell(usable[b] != 0 ? n : -1), Where::kFiles);
        };
        row.start();
        row.add("experiment", "", text_cell(id), Where::kFiles);
        row.add("row", "row", text_cell(results.plan.rows[r].label), where, true);
        row.add("block", "block", count_cell(static_cast<std::int64_t>(b)), where);
        number("norm", "norm", 2);
        number("cosine", "cosine", 3);
        number("auc_own", "AUC\nown", 3);
        number("auc_baseline", "\nbase's", 3);
        number("neuron_error", "error,\nneurons", 4);
        number("other_error", "\nothers", 4);
        number("error_ratio", "\nratio", 2);
        number("error_share", "", 4);
        number("neuron_overlap", "same\nneurons", 2);
        count("harmful_n");
        count("harmless_n");
      }
    }
  return table;
}

namespace {

std::string probe_title(std::size_t probe) {
  return std::string(kMechanismProbes[probe].title) + (kMechanismProbes[probe].sign > 0 ? " ↑" : " ↓");
}

const char* split_title(MechanismSplit split) {
  constexpr std::array<const char*, 3> kTitles = {"danger, points", "danger, tests", "refusals fell"};
  return kTitles[static_cast<std::size_t>(split)];
}

std::string found_text(Separation found) {
  constexpr std::array<const char*, 6> kTexts = {"no row",    "one row", "too many",
                                                 "not shown", "higher",  "lower"};
  return kTexts[static_cast<std::size_t>(found)];
}

// One side of a split by its number of rows, in words where nothing can be concluded from it.
std::string side_text(const MechanismTest& test) {
  const auto rows = [](std::int64_t n) {
    return n == 0 ? std::string("no row") : fmt::format("{} row{}", n, n == 1 ? "" : "s");
  };
  return fmt::format("{}: {} on the harmed side, {} on the other", split_title(test.split),
                     rows(test.harmed_n), rows(test.rest_n));
}

}  // namespace

Table mechanism_tests_table(const Results& results, const std::vector<RowChange>& changes) {
  Table table{"mechanism_tests", "Mechanistic probes of harmed rows against the others", {}, {}, {}};
  RowBuilder row(table);
  for (const std::uint32_t index : experiments_of(results)) {
    const std::string& id = results.plan.job.experiments[index].id;
    const std::vector<MechanismRow> rows = mechanism_rows(results, index);
    const auto line = [&](const std::string& split, const std::string& split_name, std::size_t probe,
                          std::int64_t n, Cell rest_n, double mean, Cell rest_mean, double statistic,
                          double one_sided, double p, double holm, const std::string& says, Cell value) {
      row.start();
      add_experiment(row, results, id);
      row.add("split", "rows by", {split, split_name}, Where::kBoth, true);
      row.add("probe", "probe", {probe_title(probe), std::string(kMechanismProbes[probe].key)}, Where::kBoth,
              true);
      row.add("harmed_n", "harmed\nn", count_cell(n));
      row.add("rest_n", "rest\nn", std::move(rest_n));
      row.add("harmed_mean", "harmed\nmean", number_cell(mean, 3));
      row.add("rest_mean", "rest\nmean", std::move(rest_mean));
      row.add("statistic", "", number_cell(statistic, 3), Where::kFiles);
      row.add("alternative", "", text_cell(kMechanismProbes[probe].sign > 0 ? "higher" : "lower"),
              Where::kFiles);
      row.add("alternative_from", "", text_cell(kMechanismProbes[probe].studied ? "study" : "own"),
              Where::kFiles);
      row.add("p_one_sided", "p one-\nsided", p_cell(one_sided));
      row.add("p", "p two-\nsided", p_cell(p));
      row.add("p_holm", "\nHolm", p_cell(holm));
      row.add("found", "says", {says, std::move(value.value)}, Where::kBoth, true);
    };
    std::string words;
    for (const MechanismTest& t : separate(rows, changes)) {
      line(split_title(t.split), kMechanismSplitNames[static_cast<std::size_t>(t.split)], t.probe, t.harmed_n,
           count_cell(t.rest_n), t.harmed_mean, number_cell(t.rest_mean, 3), t.u, t.p_one_sided, t.p,
           t.p_holm, found_text(t.found), text_cell(kSeparationNames[static_cast<std::size_t>(t.found)]));
      const bool empty = t.found == Separation::kNoRows || t.found == Separation::kOneRow;
      if (t.probe == 0 && empty) words += " " + side_text(t) + ", so nothing is tested.";
    }
    const RatioTest ratio = ratio_against_one(rows);
    const bool shown = ratio.test.p < kShownLevel;
    const Separation found = ratio.n == 0       ? Separation::kNoRows
                             : ratio.n == 1     ? Separation::kOneRow
                             : !shown           ? Separation::kNotShown
                             : ratio.test.t > 0 ? Separation::kHigher
                                                : Separation::kLower;
    line("all, against 1", "all_against_1", kNeuronRatioProbe, ratio.n, {"-", {}}, ratio.mean, {"-", {}},
         ratio.test.t, ratio.test.p_greater, ratio.test.p, std::numeric_limits<double>::quiet_NaN(),
         found_text(found), text_cell(kSeparationNames[static_cast<std::size_t>(found)]));
    if (!words.empty()) append(table, id + ":" + words);
  }
  if (table.rows.empty()) return table;
  append(table,
         fmt::format("Rows without the baselines. danger: hidden or nearly hidden danger by the point rule "
                     "against neutral rows, and hidden danger by tests against rows where no fall is shown; "
                     "refusals fell: harmful prompts shown to be refused less, against the rest. p: exact "
                     "Mann-Whitney, one-sided in the arrow's direction (the study's for entropy, norm and "
                     "error ratio, ours for the others) and two-sided; Holm: two-sided, over the nine probes "
                     "of a split. says: from Holm at {:g}; a side needs two rows. Last line: t test. Rows of "
                     "one model are not independent, so every p is too small.",
                     kShownLevel));
  return table;
}

Table mechanism_correlations_table(const Results& results, const std::vector<RowChange>& changes,
                                   const std::vector<TemplateScreen>& screens) {
  Table table{"mechanism_correlations", "Mechanistic probes with refusals and template drift", {}, {}, {}};
  TemplateScreen none;
  const TemplateScreen* screen = &none;
  for (const TemplateScreen& s : screens)
    if (screen == &none && !s.rows.empty()) screen = &s;
  RowBuilder row(table);
  for (const std::uint32_t index : experiments_of(results)) {
    const std::vector<MechanismRow> rows = mechanism_rows(results, index);
    const std::vector<MechanismCorrelation> refusals = with_refusals(rows, changes);
    const std::vector<MechanismCorrelation> drift = with_screen(rows, *screen);
    for (std::size_t probe = 0; probe < kMechanismProbes.size(); ++probe) {
      row.start();
      add_experiment(row, results, results.plan.job.experiments[index].id);
      row.add("probe", "probe", {kMechanismProbes[probe].title, std::string(kMechanismProbes[probe].key)},
              Where::kBoth, true);
      const auto add = [&](const std::string& key, const std::string& title, const MechanismCorrelation& c) {
        row.add(key + "_n", title + "\nn", count_cell(c.n));
        row.add(key + "_pearson", "\nPearson", signed_cell(c.pearson, 3));
        row.add(key + "_pearson_p", "\np", p_cell(c.pearson_p));
        row.add(key + "_spearman", "\nSpearman", signed_cell(c.spearman, 3));
        row.add(key + "_spearman_p", "\np", p_cell(c.spearman_p));
      };
      add("refusals", "refusals", refusals[probe]);
      add("screen", "RTSI", drift[probe]);
    }
  }
  if (table.rows.empty()) return table;
  append(table,
         "refusals: change of the share of harmful prompts refused, against the baseline. RTSI: " +
             (screen == &none ? "none; the template screen has no rows."
                              : "the template screen of " + results.plan.job.suites.at(screen->suite).id +
                                    " with the job's own calibration.") +
             " Rows of one model are not independent, so every p is too small.");
  return table;
}

}  // namespace brinkmap::audit
