#pragma once

#include <string>
#include <vector>

#include "audit/html_pictures.h"

// Columns of the page's matrix that no task stands behind. Internal to the page.
namespace brinkmap::audit {

// Class of a cell's colour by how far it lies below the baseline: in points of a hundred as a share,
// hundredths of a score or nat a token; "w1".."w4" for falls, "b1".."b4" for gains, empty within 0.05 and for
// NaN.
std::string heat_class(double drop);

struct HeatColumn {
  std::string heading, title;
  std::string place;               // where the figures stand, # for the index of the row
  std::vector<std::string> cells;  // [row] "<td ...>text"
};

// The regime by paired tests, VETO items approved of each check of the gate that counts them, the KL
// divergence from the baseline, and the template screen with weights made on the job's own rows (the study's,
// said so, where it has none). Without those that the job did not measure.
std::vector<HeatColumn> heat_columns(const View& view);

}  // namespace brinkmap::audit
