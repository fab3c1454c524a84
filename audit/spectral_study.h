#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "audit/spectral_losses.h"
#include "schedule/recipe_parts.h"
#include "schedule/results.h"

// Does a figure of the weights' spectra tell which matrices must stay in more bits? Hybrids that a figure
// selects against hybrids of random matrices of the same size, losses of rows that change one matrix, and how
// the figures go with these (METHODS-evaluator 3). Everything comes from the rows that a job happens to have.
namespace brinkmap::audit {

// A hybrid, or the recipe that hybrids have for their rest, against its model's baseline and that recipe.
struct SpectralRow {
  std::uint32_t row = 0;
  LossChange to_base, to_rest;
};

// A hybrid selected by a figure against random ones of the same model, formats and share.
struct Contest {
  std::uint32_t row = 0;
  schedule::RecipeParts parts;
  std::vector<std::uint32_t> draws;                         // rows
  std::int64_t bytes = 0, least_bytes = 0, most_bytes = 0;  // of the row and of its draws
  LossChange loss, kl;                                      // against the mean of the draws
  BlockDifferences loss_blocks, kl_blocks;                  // the same, block by block
  // Draws on the blocks that all have, plus one, that lose no more than the row: 1 is below all draws, and
  // draws.size() + 1 above all. 0: not known.
  std::size_t loss_rank = 0, kl_rank = 0;

  bool spectral() const;     // by a figure of the singular values; else a control
  bool equal_bytes() const;  // within kEqualBytes
};
inline constexpr double kEqualBytes = 0.005;  // of the mean of the draws

// A row that changes one module, type or block of its baseline.
struct Sensitivity {
  std::uint32_t row = 0;
  schedule::RecipeParts parts;
  LossChange loss;  // against the baseline
  LossChange kl;    // against none: only its mean and interval mean something
};

// How a figure of the matrices goes with what changing them costs: Spearman.
struct Association {
  std::uint32_t model = 0;
  std::string keep;                   // format that a matrix was changed to
  std::string figure;                 // "alpha"
  bool within_type = false;           // ranks within each kind of matrix, pooled
  bool kl = false;                    // else the loss
  std::int64_t n = 0;                 // matrices
  double rho = 0, p = 1, p_holm = 1;  // Holm over all of the job; NaN where not defined
  Interval interval;                  // 95 %, by Fisher's z
};

// What a way to select did over all its contests at equal bytes.
struct Record {
  std::string by, side;
  std::size_t contests = 0;
  std::size_t won = 0, lost = 0;  // below (above) every draw, and shown to be below (above) their mean
  double change = 0, least = 0, most = 0;  // mean, smallest, largest change in nat a token
  // 95 %, of the mean: the mean of the contests' bounds. No deviation of a mean exceeds the mean of the
  // deviations, whatever texts and matrices the contests share.
  Interval interval{0, 0};
  double p = 1, p_holm = 1;  // of so many won by chance, 1 / (draws + 1) each; over the spectral figures
};

struct SpectralStudy {
  std::vector<SpectralRow> rows;
  std::vector<Contest> contests;
  std::vector<Record> by_loss, by_kl;  // ways to select, the most won first
  std::vector<Sensitivity> sensitivities;
  std::vector<Association> associations;
  std::vector<std::string> findings;  // sentences
};

// Needs reduced results. Empty for a job without such rows.
SpectralStudy spectral_study(const schedule::Results& results);

// `seed`: of the bootstrap.
std::vector<Record> spectral_records(const std::vector<Contest>& contests, bool kl, std::uint64_t seed);

}  // namespace brinkmap::audit
