#pragma once

#include <string>

#include "audit/html_source.h"
#include "audit/table.h"

namespace brinkmap::audit {

// A number as the page carries it: six digits. The CSV files have all of them.
std::string page_number(double value);

// A table as HTML with the columns and values of its CSV file, in a <details> that is closed at first:
// sortable columns, each line with its row of the matrix (data-row). A number that is shown with fewer than
// six digits has them in data-v.
// data-p is the place of a figure in the result file: a cell's own, else its heading's, its line's, its
// table's. In it # is the line's row of the matrix, {column} the heading, {suite}, {experiment} and {item}
// the line's text in that column, {task} the place that data-tasks gives the line's task ("name=place;...").
std::string table_view(const Table& table, const Sources& sources);

}  // namespace brinkmap::audit
