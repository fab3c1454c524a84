#include "kernels/lanes_scalar.h"
#include "kernels/ops_rows.h"

namespace brinkmap::kernels {

constexpr OpsTable kScalarOps = RowOps<ScalarLanes>::table();

}  // namespace brinkmap::kernels
