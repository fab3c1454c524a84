#include "kernels/delta_net_rows.h"
#include "kernels/lanes_avx2.h"

namespace brinkmap::kernels {

constexpr DeltaTable kAvx2Delta = DeltaRows<Avx2Lanes>::table();

}  // namespace brinkmap::kernels
