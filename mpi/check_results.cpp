#include "mpi/check_results.h"

#include "audit/reduce.h"
#include "schedule/error.h"

namespace brinkmap::mpi {

void check_row_values(const std::string& path, const schedule::Results& results) {
  schedule::Results again = results;
  audit::reduce(again);
  for (const schedule::Variable& v : results.plan.variables)
    if (v.shard_axis.empty() && again.arrays.at(v.field.name).bytes != results.arrays.at(v.field.name).bytes)
      throw InputError(path, v.field.name, "holds other values than the prompts and heads of its rows give");
}

}  // namespace brinkmap::mpi
