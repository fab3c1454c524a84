#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>

#include "audit/html_pictures.h"
#include "audit/html_svg.h"
#include "audit/html_text.h"
#include "audit/table_reader.h"
#include "schedule/job.h"

namespace brinkmap::audit {
namespace {

constexpr double kWidth = 220, kHeight = 130, kLeft = 34, kRight = 8, kTop = 8, kBottom = 20;
constexpr std::size_t kMostOthers = 300;  // pictures of the matrices between the extremes, over all models
constexpr double kBin = (schedule::kSpectrumHigh - schedule::kSpectrumLow) / schedule::kSpectrumBins;

double edge(std::size_t bin) { return schedule::kSpectrumLow + kBin * static_cast<double>(bin); }

// Counts of the eigenvalues by bin, of which the outer ones hold all beyond and are not drawn; empty where
// the text holds anything else.
std::vector<double> counts_in(const std::string& text) {
  std::vector<double> out;
  std::istringstream words(text);
  for (double n = 0; words >> n;) out.push_back(n);
  return out.size() == schedule::kSpectrumBins ? out : std::vector<double>{};
}

// "attn_q" of "blk.3.attn_q".
std::string type_of(const std::string& matrix) { return matrix.substr(matrix.rfind('.') + 1); }

class Drawing {
 public:
  Drawing(const View& view, const Table& table, std::size_t line)
      : view_(view),
        table_(table),
        reader_(table),
        line_(line),
        counts_(counts_in(reader_.text(line, "histogram"))) {
    std::size_t first = counts_.size(), last = 0;
    for (std::size_t b = 1; b + 1 < counts_.size(); ++b)
      if (counts_[b] > 0) {
        first = std::min(first, b);
        last = b;
        y_.high = std::max(y_.high, std::log1p(counts_[b]));
      }
    if (first == counts_.size()) counts_.clear();
    x_ = {edge(first), edge(last + 1), kLeft, kWidth - kRight};
  }

  bool drawable() const { return !counts_.empty(); }

  std::string draw() const {
    const std::string matrix = reader_.text(line_, "matrix");
    return "<figure" + row_attribute(view_.sources.row(table_, line_)) + ">" +
           svg_begin(kWidth, kHeight,
                     reader_.text(line_, "model") + " " + matrix + ": eigenvalues by log10") +
           frame() + bars() + tail() + "</svg><figcaption><b>" + escape(matrix) + "</b> " +
           escape(caption()) + "</figcaption></figure>\n";
  }

 private:
  std::string shown(const char* key) const { return reader_.cell(line_, key).text; }
  std::string caption() const {
    return std::isfinite(reader_.number(line_, "alpha"))
               ? "α " + shown("alpha") + " ± " + shown("sigma") + ", D " + shown("distance")
               : "no power law";
  }

  std::string frame() const {
    std::string grid, text;
    for (double at = std::ceil(x_.low); at <= x_.high; ++at) {
      grid += svg_segment(x_(at), kHeight - kBottom, x_(at), kTop);
      text += svg_text(x_(at), kHeight - 6, "1e" + coordinate(at), "middle");
    }
    for (const double n : {1.0, 10.0, 100.0, 1000.0})
      if (std::log1p(n) <= y_.high) {
        grid += svg_segment(kLeft, y_(std::log1p(n)), kWidth - kRight, y_(std::log1p(n)));
        text += svg_text(kLeft - 4, y_(std::log1p(n)) + 3, coordinate(n), "end");
      }
    return svg_grid(grid) + text;
  }

  std::string bars() const {
    std::string d, says = reader_.text(line_, "model") + " " + reader_.text(line_, "matrix") + ": " +
                          caption() + ", tail from " + shown("xmin") + "; eigenvalues by log10:";
    double n = 0;
    for (std::size_t b = 1; b + 1 < counts_.size(); ++b) {
      if (!(counts_[b] > 0)) continue;
      n += counts_[b];
      d += "M" + coordinate(x_(edge(b)) + 0.3) + " " + coordinate(kHeight - kBottom) + "V" +
           coordinate(y_(std::log1p(counts_[b]))) + "H" + coordinate(x_(edge(b + 1)) - 0.3) + "V" +
           coordinate(kHeight - kBottom) + "z";
      says += fmt::format(" {:.0f} from {:.2g},", counts_[b], edge(b));
    }
    says += fmt::format(" n {:.0f}", n);
    return svg_shape("bars spectrum", "", says, view_.sources.cell(table_, line_, histogram_column()), d);
  }

  // What the fitted law expects of every bin, from xmin on.
  std::string tail() const {
    const double alpha = reader_.number(line_, "alpha"), from = std::log10(reader_.number(line_, "xmin"));
    const double n = reader_.number(line_, "tail");
    if (!std::isfinite(alpha + from + n) || from >= x_.high || from < x_.low) return "";
    std::string d;
    constexpr int kSteps = 12;
    for (int s = 0; s <= kSteps; ++s) {
      const double x = from + (x_.high - from) * s / kSteps;
      const double expected =
          n * (alpha - 1) * std::log(10.0) * kBin * std::pow(10, (from - x) * (alpha - 1));
      d += (d.empty() ? "M" : "L") + coordinate(x_(x)) + " " +
           coordinate(y_(std::clamp(std::log1p(expected), 0.0, y_.high)));
    }
    return svg_line(x_(from), kHeight - kBottom, x_(from), kTop, "brink") + "<path class=law d=\"" + d +
           "\"/>";
  }

  std::size_t histogram_column() const {
    std::size_t c = 0;
    while (c + 1 < table_.columns.size() && table_.columns[c].key != "histogram") ++c;
    return c;
  }

  const View& view_;
  const Table& table_;
  TableReader reader_;
  std::size_t line_;
  std::vector<double> counts_;
  Scale x_, y_{0, 0, kHeight - kBottom, kTop};
};

}  // namespace

std::string spectra_picture(const View& view) {
  const Table* table = find_table(view.report, "spectra");
  if (table == nullptr) return "";
  const TableReader reader(*table);
  // [model, type]: lines by alpha.
  std::map<std::pair<std::size_t, std::string>, std::vector<std::size_t>> types;
  for (std::size_t i = 0; i < reader.size(); ++i) {
    const auto model = std::find(view.models.begin(), view.models.end(), reader.text(i, "model"));
    if (model != view.models.end() && std::isfinite(reader.number(i, "alpha")))
      types[{static_cast<std::size_t>(model - view.models.begin()), type_of(reader.text(i, "matrix"))}]
          .push_back(i);
  }
  std::vector<std::string> extremes(view.models.size());
  std::string others;
  std::size_t drawn = 0, left_out = 0;
  for (auto& [of, lines] : types) {
    std::stable_sort(lines.begin(), lines.end(), [&](std::size_t a, std::size_t b) {
      return reader.number(a, "alpha") < reader.number(b, "alpha");
    });
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const Drawing drawing(view, *table, lines[i]);
      if (!drawing.drawable()) continue;
      if (i == 0 || i + 1 == lines.size())
        extremes[of.first] += drawing.draw();
      else if (++drawn <= kMostOthers)
        others += drawing.draw();
      else
        ++left_out;
    }
  }
  if (!others.empty())
    others =
        "<details class=view><summary>The matrices between</summary><div class=charts>\n" + others +
        "</div>" +
        (left_out == 0 ? "" : "<p class=note>" + std::to_string(left_out) + " more are in the table.</p>") +
        "</details>\n";
  return section(
      view, "spectra", "Spectra",
      "Eigenvalues of every type of matrix where the tail is heaviest and lightest (lowest and highest "
      "alpha), counts and values by their logarithm. Line: the fitted power law, from the dashed "
      "smallest eigenvalue of the tail on; D: its Kolmogorov-Smirnov distance.",
      by_model(view, extremes) + others, {"spectra"});
}

}  // namespace brinkmap::audit
