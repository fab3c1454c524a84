#include "kernels/attention_tile.h"
#include "kernels/lanes_avx512vnni.h"

namespace brinkmap::kernels {

constexpr AttendFunction kAttendAvx512Vnni = attend<Avx512Lanes>;

}  // namespace brinkmap::kernels
