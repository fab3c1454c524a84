#include "kernels/delta_net_rows.h"
#include "kernels/lanes_scalar.h"

namespace brinkmap::kernels {

constexpr DeltaTable kScalarDelta = DeltaRows<ScalarLanes>::table();

}  // namespace brinkmap::kernels
