#include "kernels/attention_tile.h"
#include "kernels/lanes_scalar.h"

namespace brinkmap::kernels {

constexpr AttendFunction kAttendScalar = attend<ScalarLanes>;

}  // namespace brinkmap::kernels
