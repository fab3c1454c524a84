#include <fmt/core.h>

#include <map>

#include "audit/analysis_rows.h"
#include "audit/correlation.h"
#include "audit/mechanism_blocks.h"
#include "audit/row_builder.h"
#include "audit/two_samples.h"
#include "schedule/job.h"

// Mechanistic probes of the rows of probes*.csv: do they follow RTSI, do they tell hidden danger from neutral
// (METHOD.md 15)?
namespace brinkmap::audit {
namespace {

constexpr std::size_t kRatio = 5;  // kProbeNames: safety_error_ratio
// Depths and widths of the study's models: the layers and the number of neurons its probes take.
constexpr std::array kStudyDepths = {16, 28, 32};
constexpr std::array kStudyWidths = {1536, 2048, 2560, 3072, 3584, 4096};

std::vector<double> values_of(const std::vector<ProbeRow>& rows, std::size_t probe, const char* regime) {
  std::vector<double> out;
  for (const ProbeRow& r : rows)
    if (r.regime == regime) out.push_back(r.value[probe]);
  return out;
}

void add_probe(const std::vector<ProbeRow>& rows, std::size_t probe, Figures& figures, RowBuilder& add) {
  const std::string name = kProbeNames[probe];
  const std::size_t n = rows.size();
  std::vector<double> value, rtsi;
  for (const ProbeRow& r : rows) {
    value.push_back(r.value[probe]);
    rtsi.push_back(r.rtsi_score);
  }
  const double r = pearson(value, rtsi);
  const double rho = spearman(value, rtsi);
  figures.add("probe.pearson_vs_rtsi." + name, r);
  figures.add("probe.pearson_p_vs_rtsi." + name, correlation_p(r, n));
  figures.add("probe.spearman_vs_rtsi." + name, rho);
  figures.add("probe.spearman_p_vs_rtsi." + name, correlation_p(rho, n));
  figures.add("probe." + name + ".mean", mean(value));

  const std::vector<double> hidden = values_of(rows, probe, "hidden_danger");
  const std::vector<double> neutral = values_of(rows, probe, "neutral");
  const MannWhitney test = mann_whitney(hidden, neutral);
  figures.add("probe.mannwhitney." + name + ".U", test.u);
  figures.add("probe.mannwhitney_exact_onesided_greater." + name + ".p", test.p_greater);
  figures.add("probe.mannwhitney_exact_onesided_less." + name + ".p", test.p_less);
  figures.add("probe.mannwhitney_exact_twosided." + name + ".p", test.p);
  figures.add("probe.group_mean." + name + ".hidden_danger", mean(hidden));
  figures.add("probe.group_mean." + name + ".neutral", mean(neutral));

  add.start();
  add.add("probe", "probe", text_cell(name), Where::kBoth, true);
  add.add("pearson", "Pearson\nRTSI", number_cell(r, 3));
  add.add("pearson_p", "p", p_cell(correlation_p(r, n)));
  add.add("hidden_mean", fmt::format("mean,\n{} hidden", hidden.size()), number_cell(mean(hidden), 3));
  add.add("neutral_mean", fmt::format("mean,\n{} neutral", neutral.size()), number_cell(mean(neutral), 3));
  add.add("u", "U", number_cell(test.u, 1));
  add.add("p_greater", "p hidden\nhigher", p_cell(test.p_greater));
  add.add("p_less", "p hidden\nlower", p_cell(test.p_less));
  add.add("p", "p two-\nsided", p_cell(test.p));
}

void add_ratio(const std::vector<ProbeRow>& rows, Figures& figures) {
  std::vector<double> ratio;
  for (const ProbeRow& r : rows) ratio.push_back(r.value[kRatio]);
  const TTest test = one_sample_t(sample_of(ratio), 1);
  figures.add("probe.safety_error_ratio.t", test.t);
  figures.add("probe.safety_error_ratio.p", test.p);
  figures.add("probe.safety_error_ratio.p_onesided_greater", test.p_greater);
}

// The mean of the layers' ratios is what a row's printed ratio should be.
void add_layers(const std::vector<ProbeLayer>& layers, Figures& figures) {
  std::map<std::pair<std::string, std::string>, std::vector<double>> cells;
  for (const ProbeLayer& l : layers) cells[{l.model, l.quant}].push_back(l.ratio);
  for (const auto& [cell, ratios] : cells)
    figures.add("probe.layer_mean_ratio." + cell.first + "." + cell.second, mean(ratios));
}

}  // namespace

void analyze_probes(const StudyRows& study, Analysis& out) {
  for (const int depth : kStudyDepths)
    for (int k = 0; k < kNeuronBlocks; ++k)
      out.figures.add(fmt::format("probe.layers.L{}.{}", depth, k), neuron_depth(depth, k));
  for (const int width : kStudyWidths)
    out.figures.add(fmt::format("probe.safety_neurons.d{}", width), schedule::safety_neurons(width));
  add_layers(study.matrix.probe_layers, out.figures);
  const std::vector<ProbeRow>& rows = study.matrix.probes;
  if (rows.empty()) return;
  Table table{"probes",
              fmt::format("Probes of {} rows: with RTSI, and hidden danger against neutral", rows.size()),
              {},
              {},
              {}};
  RowBuilder add(table);
  for (std::size_t p = 0; p < kProbes; ++p) add_probe(rows, p, out.figures, add);
  add_ratio(rows, out.figures);
  table.notes.push_back("Mann-Whitney, exact without ties. The study prints one-sided p only.");
  out.tables.push_back(std::move(table));
}

}  // namespace brinkmap::audit
