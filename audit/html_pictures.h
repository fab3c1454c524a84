#pragma once

#include <map>
#include <string>
#include <vector>

#include "audit/html_source.h"
#include "audit/report.h"

// The pictures of the page, one function each. A picture draws what the report's tables say and is empty when
// the job did not measure it. Internal to the page.
namespace brinkmap::audit {

// What the pictures share.
struct View {
  const Report& report;
  const Sources& sources;
  std::map<std::string, std::size_t> row_of;      // label of a row: index in Report::rows
  std::vector<std::string> models;                // in the job's order
  std::map<std::string, std::string> regime_of;   // by label; empty where the job has no plane
  std::map<std::string, std::string> verdict_of;  // by label

  std::size_t model_index(const std::string& label) const;
  std::string row_id(const std::string& label) const;  // index of the row, for data-row
};
View make_view(const Report& report, const Sources& sources);

std::string matrix_picture(const View& view);    // rows x tasks, coloured by the fall against the baseline
std::string plane_picture(const View& view);     // change of quality and of refusals, with the regimes
std::string ladder_picture(const View& view);    // every task along the bits per weight, with the brink
std::string votes_picture(const View& view);     // votes of the heads, and the cascade at other thresholds
std::string openings_picture(const View& view);  // share of the commonest opening, baseline to row
std::string judges_picture(const View& view);    // kappa of every judge, row by row
std::string layers_picture(const View& view);    // curves by layer: probes, mechanism
std::string spectra_picture(const View& view);   // eigenvalues of matrices, with the fitted tail

// What the first screen answers: which rows are dangerous, and what broke first.
std::string summary(const View& view);
std::string readings(const View& view);  // the same in words, model by model and row by row
// "q3_k_s: code ROUGE-L, text perplexity": the widest level of a model's ladder that breaks a task; "nothing
// broke" where none does, "not measured" where the baseline cannot do any.
std::string first_break(const View& view, const std::string& model);

// The figures of each model (in the order of View::models) in a <details> of their own, the first open; its
// summary has the model's note, if any. Models without figures are left out.
std::string by_model(const View& view, const std::vector<std::string>& figures,
                     const std::vector<std::string>& notes = {});

// Heading, lead and picture, followed by the tables behind it.
std::string section(const View& view, const char* id, const char* title, const std::string& lead,
                    const std::string& picture, std::initializer_list<const char*> tables);

}  // namespace brinkmap::audit
