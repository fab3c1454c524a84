#include "kernels/delta_net_rows.h"
#include "kernels/lanes_avx512vnni.h"

namespace brinkmap::kernels {

constexpr DeltaTable kAvx512VnniDelta = DeltaRows<Avx512Lanes>::table();

}  // namespace brinkmap::kernels
