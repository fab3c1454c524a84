#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "audit/cascade_sweep.h"
#include "audit/html_pictures.h"
#include "audit/html_svg.h"
#include "audit/html_text.h"
#include "audit/picture_tables.h"
#include "audit/table_reader.h"

namespace brinkmap::audit {
namespace {

constexpr int kSweepSteps = (kSweepTo - kSweepFrom) / kSweepStep + 1;
// Shares of items decided right from which a cell is a shade darker.
constexpr std::array<double, 4> kShadesFrom = {0.5, 0.7, 0.85, 0.95};
constexpr double kBar = 11, kBand = 30, kCell = 9;
constexpr double kVotesWidth = 62 + kVoteBins * kBar, kSurface = kSweepSteps * kCell;

// Bars of the items of one gold class, highest share of heads at the right.
std::string band(const Table& table, std::size_t line, double top) {
  const TableReader bins(table);
  const double n = bins.number(line, "n");
  const std::string gold = bins.text(line, "gold"), row = bins.text(line, "row");
  std::string path,
      says = row + ", gold " + gold + ", n " + bins.text(line, "n") + ": items by heads that say so:";
  for (int b = 0; b < kVoteBins; ++b) {
    const double count = bins.number(line, "from_" + std::to_string(b * 10));
    if (!(count > 0)) continue;
    const double height = std::max(1.0, (kBand - 6) * count / n);
    path += "M" + coordinate(58 + b * kBar) + " " + coordinate(top + kBand) + "v-" + coordinate(height) +
            "h" + coordinate(kBar - 1) + "v" + coordinate(height) + "z";
    says += fmt::format(" {:.0f} at {}–{} %,", count, b * 10, b * 10 + 10);
  }
  says.pop_back();
  return svg_text(54, top + kBand - 4, gold, "end") +
         svg_line(58, top + kBand, 58 + kVoteBins * kBar, top + kBand, "axis") +
         svg_shape(("bars " + gold).c_str(), "", says, "", path);
}

// The cascade at every pair of thresholds: one path a shade of accuracy, one for cells that approve a VETO
// item.
std::string surface(const Table& table, std::size_t first, double left) {
  const TableReader sweep(table);
  std::array<std::string, kShadesFrom.size() + 1> shades;
  std::string approving;
  double best = 0;
  int unsafe = 0;
  for (int v = 0; v < kSweepSteps; ++v) {
    const std::size_t line = first + static_cast<std::size_t>(v);
    const double y = 4 + (kSweepSteps - 1 - v) * kCell;
    std::size_t shade = shades.size();
    int begin = 0;  // of the cells of one shade
    const auto close = [&](int end) {
      if (shade < shades.size())
        shades[shade] += fmt::format("M{} {}h{}v{}h-{}z", coordinate(left + begin * kCell), coordinate(y),
                                     coordinate((end - begin) * kCell), coordinate(kCell),
                                     coordinate((end - begin) * kCell));
      begin = end;
    };
    for (int a = 0; a < kSweepSteps; ++a) {
      const std::string at = std::to_string(kSweepFrom + a * kSweepStep);
      const double share = sweep.number(line, "right_" + at) / sweep.number(line, "n");
      best = std::max(best, share);
      const auto now = static_cast<std::size_t>(
          std::upper_bound(kShadesFrom.begin(), kShadesFrom.end(), share) - kShadesFrom.begin());
      if (now != shade) close(a);
      shade = now;
      if (sweep.number(line, "approved_veto_" + at) > 0) {
        ++unsafe;
        approving += "M" + coordinate(left + a * kCell + 2) + " " + coordinate(y + 2) + "h5v5h-5z";
      }
    }
    close(kSweepSteps);
  }
  std::string out;
  for (std::size_t s = 0; s < shades.size(); ++s)
    if (!shades[s].empty()) out += fmt::format("<path class=\"shade s{}\" d=\"{}\"/>", s, shades[s]);
  if (!approving.empty()) out += "<path class=unsafe d=\"" + approving + "\"/>";
  const std::string row = sweep.text(first, "row");
  const std::string says = fmt::format(
      "{}: at best {:.1f} % right at some thresholds; {} of {} pairs of thresholds approve a VETO item", row,
      100 * best, unsafe, kSweepSteps * kSweepSteps);
  return out + svg_shape("frame", "", says, "",
                         fmt::format("M{} 3h{}v{}h-{}z", coordinate(left - 1), coordinate(kSurface + 2),
                                     coordinate(kSurface + 2), coordinate(kSurface + 2)));
}

constexpr std::size_t kBands = 3;

// Votes and thresholds of one experiment and row, from this line of the bins on.
std::string figure(const View& view, const Table& bins, const Table& sweep, std::size_t line) {
  const TableReader reader(bins);
  const std::string row = reader.text(line, "row"), experiment = reader.text(line, "experiment");
  const double left = kVotesWidth + 34, bottom = 4 + kSurface;
  std::string out =
      "<figure" + row_attribute(view.row_id(row)) +
      attribute("data-p", Sources::template_of(view.sources.line(bins, line), view.row_id(row))) + ">" +
      svg_begin(left + kSurface + 4, bottom + 16, experiment + " of " + row + ": votes and thresholds");
  for (std::size_t b = 0; b < kBands; ++b) out += band(bins, line + b, 6 + static_cast<double>(b) * kBand);
  out += surface(sweep, line / kBands * kSweepSteps, left) + svg_text(58, bottom + 12, "0", "start") +
         svg_text(58 + kVoteBins * kBar, bottom + 12, "100 %", "end") + svg_text(left - 4, 12, "100", "end") +
         svg_text(left - 4, bottom, "50", "end") + svg_text(left, bottom + 12, "50", "start") +
         svg_text(left + kSurface, bottom + 12, "100 %", "end");
  return out + "</svg><figcaption><b>" + escape(row) + "</b> " + escape(experiment) +
         "</figcaption></figure>\n";
}

}  // namespace

std::string votes_picture(const View& view) {
  const Table* bins = find_table(view.report, "vote_bins");
  const Table* sweep = find_table(view.report, "thresholds");
  if (bins == nullptr || sweep == nullptr) return "";
  const TableReader of_bins(*bins);
  std::vector<std::string> figures(view.models.size());
  // Both tables go through the same experiments and rows.
  for (std::size_t i = 0; i + kBands <= of_bins.size(); i += kBands)
    figures[view.model_index(of_bins.text(i, "row"))] += figure(view, *bins, *sweep, i);
  const std::string out = by_model(view, figures);
  return section(
      view, "votes", "Votes of the heads",
      "Left: test items of each gold class by the share of heads that vote for that class; sure heads "
      "stand at the right. Right: the cascade at other thresholds (APPROVE from 50 to 100 % rightwards, VETO "
      "upwards): fuller colour from 50, 70, 85 and 95 % right; a red square approves a VETO item.",
      out, {"votes", "heads", "vote_bins", "thresholds"});
}

}  // namespace brinkmap::audit
