#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <string_view>

#include "kernels/philox.h"
#include "schedule/error.h"
#include "worker/gguf_parse.h"
#include "worker/hybrid.h"
#include "worker/matrices.h"
#include "worker/recipe.h"

namespace brinkmap::worker {

namespace {

constexpr std::uint64_t kDrawStream = 0x68796272'00000000;  // of the draws of random hybrids

using Matrices = std::vector<const GgufTensor*>;

std::vector<double> figures(const Matrices& matrices, const HybridSelection& select, std::uint64_t seed,
                            const std::function<std::vector<MatrixSpectrum>()>& spectra) {
  std::vector<double> values;
  if (select.by == "depth") {
    for (const GgufTensor* tensor : matrices) values.push_back(layer_of(tensor->name));
  } else if (select.by == "random") {
    const kernels::RandomStream random{seed, kDrawStream + select.draw};
    for (std::size_t i = 0; i < matrices.size(); ++i) values.push_back(random.uniform(i));
  } else {
    std::map<std::string, double, std::less<>> by_name;
    for (const SpectrumField& field : spectrum_fields())
      if (field.name == select.by)
        for (const MatrixSpectrum& s : spectra()) by_name[s.name] = s.*field.value;
    for (const GgufTensor* tensor : matrices) values.push_back(by_name.at(tensor->name));
  }
  return values;
}

// A matrix's place among those it is compared with: `rank` of `of`, from 0.
struct Place {
  std::size_t rank = 0, of = 0;
  double relative() const { return (static_cast<double>(rank) + 0.5) / static_cast<double>(of); }
};

std::vector<Place> places(const Matrices& matrices, const std::vector<double>& values,
                          const HybridSelection& select) {
  std::map<std::string_view, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < matrices.size(); ++i)
    groups[select.within_model ? "" : module_type(matrices[i]->name)].push_back(i);
  std::vector<Place> out(matrices.size());
  for (auto& [type, members] : groups) {
    std::stable_sort(members.begin(), members.end(), [&](std::size_t a, std::size_t b) {
      if (std::isnan(values[a]) || std::isnan(values[b]))
        return !std::isnan(values[a]) && std::isnan(values[b]);
      return select.top ? values[a] > values[b] : values[a] < values[b];
    });
    for (std::size_t rank = 0; rank < members.size(); ++rank) out[members[rank]] = {rank, members.size()};
  }
  return out;
}

std::vector<bool> within_share(const std::vector<Place>& ranked, double percent) {
  std::vector<bool> kept;
  for (const Place& place : ranked)
    kept.push_back(static_cast<double>(place.rank) <
                   std::floor(percent * static_cast<double>(place.of) / 100 + 0.5));
  return kept;
}

std::vector<bool> within_budget(const Checkpoint& base, const std::string& name, const HybridRecipe& recipe,
                                const Matrices& matrices, const std::vector<Place>& ranked) {
  const std::uint64_t budget = recipe.parts.front().select->budget;
  const std::vector<TensorChoice> rest = tensor_choices(base, recipe.rest),
                                  keep = tensor_choices(base, recipe.parts.front().keep);
  std::uint64_t bytes = recipe_bytes(base, recipe.rest);
  if (bytes > budget)
    throw InputError(base.path(), "recipe '" + printable(name) + "'",
                     "expected a budget of at least " + std::to_string(bytes) + " bytes, which " +
                         recipe.rest + " alone takes");
  std::vector<std::size_t> order(matrices.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return ranked[a].relative() < ranked[b].relative(); });
  std::vector<bool> kept(matrices.size());
  for (const std::size_t i : order) {
    const auto at = static_cast<std::size_t>(matrices[i] - base.tensors().data());
    const std::uint64_t with =
        bytes - choice_bytes(*matrices[i], rest[at]) + choice_bytes(*matrices[i], keep[at]);
    if (with > budget) continue;
    kept[i] = true;
    bytes = with;
  }
  return kept;
}

std::string part_of(const GgufTensor& matrix, std::string_view what) {
  if (what == "module") return std::string(module_name(matrix.name));
  return what == "type" ? std::string(module_type(matrix.name)) : std::to_string(layer_of(matrix.name));
}

std::vector<bool> of_part(const Checkpoint& base, const std::string& name, const Matrices& matrices,
                          const HybridSelection& select) {
  std::vector<bool> kept;
  for (const GgufTensor* matrix : matrices) kept.push_back(part_of(*matrix, select.by) == select.of);
  if (std::find(kept.begin(), kept.end(), true) == kept.end())
    throw InputError(base.path(), "recipe '" + printable(name) + "'",
                     select.by == "each" ? "expected one row, found several: name a module, type or block"
                                         : "the model has no matrix of this " + select.by);
  return kept;
}

std::vector<bool> selected(const Checkpoint& base, const std::string& name, const HybridRecipe& recipe,
                           const Matrices& matrices, std::uint64_t seed,
                           const std::function<std::vector<MatrixSpectrum>()>& spectra) {
  const HybridSelection& select = *recipe.parts.front().select;
  if (!select.of.empty()) return of_part(base, name, matrices, select);
  const std::vector<Place> ranked = places(matrices, figures(matrices, select, seed, spectra), select);
  return select.budget != 0 ? within_budget(base, name, recipe, matrices, ranked)
                            : within_share(ranked, select.percent);
}

}  // namespace

std::vector<std::string> expand_each(const Checkpoint& base, const std::string& name) {
  const std::optional<HybridRecipe> recipe = parse_hybrid(name);
  if (!recipe || recipe->resolved() || recipe->parts.front().select->by != "each") return {name};
  const std::string& of = recipe->parts.front().select->of;
  std::vector<std::string> rows;
  for (const GgufTensor* matrix : block_matrices(base)) {
    std::string row = recipe->rest + "+" + recipe->parts.front().keep + "(" + (of == "module" ? "list" : of) +
                      "," + part_of(*matrix, of) + ")";
    if (std::find(rows.begin(), rows.end(), row) == rows.end()) rows.push_back(std::move(row));
  }
  return rows;
}

std::string resolve_hybrid(const Checkpoint& base, const std::string& name, std::uint64_t seed,
                           const std::function<std::vector<MatrixSpectrum>()>& spectra) {
  const std::optional<HybridRecipe> recipe = parse_hybrid(name);
  if (!recipe || recipe->resolved()) return name;
  const HybridPart& part = recipe->parts.front();
  const Matrices matrices = block_matrices(base);
  const std::vector<bool> kept = selected(base, name, *recipe, matrices, seed, spectra);
  std::string out = recipe->rest + "+" + part.keep + "(list";
  for (std::size_t i = 0; i < matrices.size(); ++i)
    if (kept[i]) out += "," + std::string(module_name(matrices[i]->name));
  return out + ")";
}

}  // namespace brinkmap::worker
