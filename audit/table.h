#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

// Tables as data. A report is built once; text, CSV, JSON and HTML are ways to print it.
namespace brinkmap::audit {

// What a cell says of its row; colours it where colours are wanted.
enum class Tone : std::uint8_t { kPlain, kGood, kDoubt, kBad };

struct Cell {
  std::string text;  // as the terminal shows it
  std::variant<std::monostate, std::int64_t, double, std::string>
      value;  // as files carry it; monostate: not known
  Tone tone = Tone::kPlain;
};

Cell text_cell(std::string text);
Cell count_cell(std::int64_t value);              // "-" below 0, where counts are not known
Cell number_cell(double value, int digits);       // "-" for NaN
Cell percent_cell(double share, int digits);      // 0.125 -> "12.5 %"; the value stays a share
Cell shown_cell(std::string text, double value);  // text beside a number made elsewhere
Cell p_cell(double p);                            // three decimals, or "<0.001"
Cell points_cell(double difference);  // of shares, in points: 0.015 -> "+1.5"; the value stays the difference

// Where a column is printed: composite columns ("118/120 98 %") only on the terminal, their parts only in
// files.
enum class Where : std::uint8_t { kBoth, kText, kFiles };

struct Column {
  std::string key;    // CSV header and JSON key: snake_case, unique in the table
  std::string title;  // terminal header; '\n' starts a second line
  bool left = false;  // alignment
  Where where = Where::kBoth;
};

struct Table {
  std::string id;  // file name of the CSV, JSON key
  std::string title;
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;  // each with one cell a column
  std::vector<std::string> notes;       // printed below on the terminal
};

// Throws Error when a row has another number of cells than the table has columns.
void check_cells(const Table& table);

// Columns a text takes on a terminal: combining marks none, wide East Asian characters two, broken UTF-8 one
// a byte.
std::size_t display_width(const std::string& text);

// The text as one line of valid UTF-8: control characters become blanks, broken bytes U+FFFD. Everything that
// came from a model or a file passes here before it is printed.
std::string one_line(const std::string& text);

// A bar of `cells` character cells, filled by share (0..1) in steps of an eighth of a cell; blank for NaN.
std::string bar(double share, int cells);

// Columns that a text may take.
inline constexpr std::size_t kTextWidth = 100;

// The text broken at blanks into lines of at most `width` columns; a longer word has a line of its own.
std::vector<std::string> wrapped(const std::string& text, std::size_t width = kTextWidth);

// The table with aligned columns, ending in a line feed. A last column of words goes on below itself where
// kTextWidth ends. `colour`: tones as ANSI escape sequences.
std::string to_text(const Table& table, bool colour = false);

// A cell as files carry it, unquoted: numbers with all digits, nothing for unknown values.
std::string file_text(const Cell& cell);

// RFC 4180: header, CRLF line ends, quotes where needed. Numbers with all digits; unknown values are empty.
std::string to_csv(const Table& table);

}  // namespace brinkmap::audit
