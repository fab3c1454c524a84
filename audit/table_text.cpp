#include <algorithm>

#include "audit/table.h"

// How a table is laid out on a terminal.
namespace brinkmap::audit {
namespace {

// A last column of words never gets narrower than this, nor one of names.
constexpr std::size_t kLeastWords = 30;
constexpr std::size_t kLeastNames = 24;

void end_line(std::string& out) {
  while (!out.empty() && out.back() == ' ') out.pop_back();
  out += '\n';
}

std::pair<std::string, std::string> title_lines(const std::string& title) {
  const std::size_t at = title.find('\n');
  return at == std::string::npos ? std::pair{std::string(), title}
                                 : std::pair{title.substr(0, at), title.substr(at + 1)};
}

// The ANSI sequence of a tone: green, yellow, red.
const char* begins(Tone tone) {
  switch (tone) {
    case Tone::kGood:
      return "\033[32m";
    case Tone::kDoubt:
      return "\033[33m";
    case Tone::kBad:
      return "\033[31m";
    case Tone::kPlain:
      break;
  }
  return "";
}

// A cell's text, coloured and then filled with blanks.
std::string padded(const Cell& cell, std::size_t width, bool left, bool colour) {
  const std::size_t has = display_width(cell.text);
  const std::string blanks(width > has ? width - has : 0, ' ');
  const std::string text =
      colour && cell.tone != Tone::kPlain ? begins(cell.tone) + cell.text + "\033[0m" : cell.text;
  return left ? text + blanks : blanks + text;
}

// The columns that a terminal shows, how wide they are, and where the last one begins. A cell that is wider
// than its column of names is followed by the other cells on the next line.
struct Layout {
  std::vector<std::size_t> columns, widths;
  bool two_lines = false;  // of heads
  std::size_t last_at = 0;
  std::size_t gap = 2;  // blanks between columns
  bool breaks = false;  // whether the last column goes on below itself
};

// Takes what the table is too wide from the gaps, where that is enough, else from the widest column of names.
void fit_names(const Table& table, Layout& out) {
  if (out.columns.size() < 2) return;
  const std::size_t last = out.columns.size() - 1;
  std::size_t widest = last;
  for (std::size_t i = 0; i < last; ++i)
    if (table.columns[out.columns[i]].left && (widest == last || out.widths[i] > out.widths[widest]))
      widest = i;
  const bool words = table.columns[out.columns[last]].left;
  std::size_t width = words ? std::min(out.widths[last], kLeastWords) : out.widths[last];
  for (std::size_t i = 0; i < last; ++i) width += out.widths[i] + 2;
  if (width <= kTextWidth) return;
  if (width - last <= kTextWidth) {
    out.gap = 1;
    return;
  }
  if (widest == last) return;
  const auto [upper, lower] = title_lines(table.columns[out.columns[widest]].title);
  const std::size_t least = std::max({kLeastNames, display_width(upper), display_width(lower)});
  std::size_t& names = out.widths[widest];
  names -= std::min(width - kTextWidth, names - std::min(names, least));
}

Layout lay_out(const Table& table) {
  Layout out;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    if (table.columns[c].where == Where::kFiles) continue;
    const auto [upper, lower] = title_lines(table.columns[c].title);
    out.two_lines = out.two_lines || !upper.empty();
    std::size_t width = std::max(display_width(upper), display_width(lower));
    for (const auto& row : table.rows) width = std::max(width, display_width(row[c].text));
    out.columns.push_back(c);
    out.widths.push_back(width);
  }
  fit_names(table, out);
  for (std::size_t i = 0; i + 1 < out.widths.size(); ++i) out.last_at += out.widths[i] + out.gap;
  if (out.columns.empty() || !table.columns[out.columns.back()].left) return out;
  const std::size_t room = std::max(kLeastWords, kTextWidth - std::min(kTextWidth, out.last_at));
  out.breaks = out.widths.back() > room;
  if (out.breaks) out.widths.back() = room;
  return out;
}

}  // namespace

std::vector<std::string> wrapped(const std::string& text, std::size_t width) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (lines.empty() || display_width(lines.back()) + 1 + display_width(word) > width)
      lines.push_back(word);
    else
      lines.back() += " " + word;
    at = end + 1;
  }
  return lines;
}

std::string to_text(const Table& table, bool colour) {
  check_cells(table);
  const Layout layout = lay_out(table);
  std::string out = table.title + "\n";
  const auto line = [&](const auto& cell_of) {
    for (std::size_t i = 0, at = 0; i < layout.columns.size(); ++i) {
      const std::size_t c = layout.columns[i], width = layout.widths[i];
      const Cell& cell = cell_of(c);
      out += std::string(i == 0 ? 0 : layout.gap, ' ') + padded(cell, width, table.columns[c].left, colour);
      at += (i == 0 ? 0 : layout.gap) + width;
      if (display_width(cell.text) <= width || i + 1 == layout.columns.size()) continue;
      end_line(out);
      out += std::string(at, ' ');
    }
    end_line(out);
  };
  const auto head = [&](bool upper) {
    line([&](std::size_t c) {
      const auto titles = title_lines(table.columns[c].title);
      return Cell{upper ? titles.first : titles.second, {}};
    });
  };
  if (layout.two_lines) head(true);
  head(false);
  for (const auto& row : table.rows) {
    if (!layout.breaks) {
      line([&](std::size_t c) -> const Cell& { return row[c]; });
      continue;
    }
    const std::size_t last = layout.columns.back();
    std::vector<std::string> words = wrapped(row[last].text, layout.widths.back());
    if (words.empty()) words.emplace_back();
    line([&](std::size_t c) { return c == last ? Cell{words[0], {}, row[c].tone} : row[c]; });
    for (std::size_t w = 1; w < words.size(); ++w) out += std::string(layout.last_at, ' ') + words[w] + "\n";
  }
  for (const std::string& note : table.notes) out += note + "\n";
  return out;
}

}  // namespace brinkmap::audit
