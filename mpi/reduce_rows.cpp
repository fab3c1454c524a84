#include "mpi/reduce_rows.h"

#include <chrono>
#include <future>

#include "audit/reduce.h"

namespace brinkmap::mpi {

void reduce_rows(Store& store, const schedule::Plan& plan, const std::function<void()>& beat) {
  constexpr std::chrono::milliseconds kStep{50};
  schedule::Results results = store.results();
  beat();
  auto reduced = std::async(std::launch::async, [&results] { audit::reduce(results); });
  while (reduced.wait_for(kStep) != std::future_status::ready) beat();
  reduced.get();
  beat();
  for (const schedule::Variable& v : plan.variables) {
    if (!v.shard_axis.empty()) continue;
    const schedule::Array& array = results.arrays.at(v.field.name);
    const std::size_t row_bytes = plan.rows.empty() ? 0 : array.bytes.size() / plan.rows.size();
    for (std::uint32_t r = 0; r < plan.rows.size(); ++r)
      store.write_row_variable(v.field.name, r, std::span(array.bytes).subspan(r * row_bytes, row_bytes));
    beat();
  }
}

}  // namespace brinkmap::mpi
