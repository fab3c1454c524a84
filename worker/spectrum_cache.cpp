#include "worker/spectrum_cache.h"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "kernels/blas.h"
#include "schedule/error.h"
#include "worker/atomic_file.h"
#include "worker/hash.h"
#include "worker/json_text.h"
#include "worker/matrices.h"

namespace brinkmap::worker {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kVersion = 1;  // raised when a figure changes its meaning
constexpr std::size_t kMostBytes = std::size_t{1} << 26;

// What the file must say to be this model's.
json head(const std::string& sha256) {
  return {{"brinkmap_spectra", kVersion}, {"model_sha256", sha256}, {"blas", kernels::blas_core()}};
}

json to_json(const MatrixSpectrum& s) {
  json out{{"name", s.name}, {"rows", s.rows}, {"cols", s.cols}};
  for (const SpectrumField& field : spectrum_fields())
    out[std::string(field.name)] = std::isfinite(s.*field.value) ? json(s.*field.value) : json(nullptr);
  return out;
}

// Nothing when it is not the spectrum of `tensor`.
std::optional<MatrixSpectrum> from_json(const json& j, const GgufTensor& tensor) {
  MatrixSpectrum s;
  s.name = tensor.name;
  s.cols = tensor.shape[0];
  s.rows = tensor.elements() / s.cols;
  if (!j.is_object() || j.size() != 3 + spectrum_fields().size() || j.value("name", json()) != s.name ||
      j.value("rows", json()) != s.rows || j.value("cols", json()) != s.cols)
    return std::nullopt;
  for (const SpectrumField& field : spectrum_fields()) {
    const auto it = j.find(field.name);
    if (it == j.end() || !(it->is_null() || it->is_number())) return std::nullopt;
    if (it->is_number()) s.*field.value = it->get<double>();
  }
  return s;
}

// Nothing when the file is missing, broken, or another model's.
std::optional<std::vector<MatrixSpectrum>> read(const Checkpoint& model, const std::string& sha256,
                                                const std::string& path) {
  json file;
  try {
    file = read_json_object(path, kMostBytes);
  } catch (const InputError&) {
    return std::nullopt;
  }
  const json matrices = file.value("matrices", json());
  json expected = head(sha256);
  expected["matrices"] = matrices;
  expected["sha256"] = sha256_hex(matrices.dump());
  const std::vector<const GgufTensor*> tensors = block_matrices(model);
  if (file != expected || !matrices.is_array() || matrices.size() != tensors.size()) return std::nullopt;
  std::vector<MatrixSpectrum> out;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::optional<MatrixSpectrum> one = from_json(matrices[i], *tensors[i]);
    if (!one) return std::nullopt;
    out.push_back(std::move(*one));
  }
  return out;
}

void write(const std::vector<MatrixSpectrum>& spectra, const std::string& sha256, const std::string& path) {
  json matrices = json::array();
  for (const MatrixSpectrum& s : spectra) matrices.push_back(to_json(s));
  json file = head(sha256);
  file["sha256"] = sha256_hex(matrices.dump());
  file["matrices"] = std::move(matrices);
  const std::string text = file.dump(1) + "\n";
  AtomicFile out(path);
  out.write(text.data(), text.size());
  out.commit();
}

}  // namespace

std::string spectra_file(const Checkpoint& model, const std::string& sha256, const std::string& folder) {
  if (!folder.empty()) return (fs::path(folder) / (sha256 + ".spectra.json")).string();
  fs::path path = fs::path(model.path()).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.string() + ".spectra.json";
}

KeptSpectra keep_spectra(const Checkpoint& model, const std::string& sha256, const std::string& path,
                         kernels::ThreadPool& pool, const std::function<void(std::size_t done)>& progress,
                         const ComputeSpectra& compute) {
  KeptSpectra out;
  if (auto known = read(model, sha256, path)) {
    out.matrices = std::move(*known);
    out.from_file = true;
    return out;
  }
  out.matrices = compute(model, pool, progress);
  try {
    write(out.matrices, sha256, path);
  } catch (const InputError& e) {
    out.not_kept = e.what();
  }
  return out;
}

}  // namespace brinkmap::worker
