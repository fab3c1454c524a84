#include "kernels/attention_tile.h"
#include "kernels/lanes_avx2.h"

namespace brinkmap::kernels {

constexpr AttendFunction kAttendAvx2 = attend<Avx2Lanes>;

}  // namespace brinkmap::kernels
