#pragma once

#include "audit/spectral_study.h"
#include "audit/table.h"

// The tables of the spectral study. Internal to the report.
namespace brinkmap::audit {

// Figures of every matrix of a spectra experiment, one line a (model, matrix).
Table spectra_table(const schedule::Results& results);
// Baselines, rests and hybrids: what each loses on the texts.
Table spectral_table(const schedule::Results& results, const SpectralStudy& study);
// Each hybrid selected by a figure against the random ones of its size.
Table spectral_contests_table(const schedule::Results& results, const SpectralStudy& study);
// What each way to select came to.
Table spectral_records_table(const SpectralStudy& study);
// Rows that change one module, type or block.
Table sensitivity_table(const schedule::Results& results, const SpectralStudy& study);
Table spectral_correlation_table(const schedule::Results& results, const SpectralStudy& study);

}  // namespace brinkmap::audit
