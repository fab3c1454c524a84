#include "kernels/lanes_avx2.h"
#include "kernels/ops_rows.h"

namespace brinkmap::kernels {

constexpr OpsTable kAvx2Ops = RowOps<Avx2Lanes>::table();

}  // namespace brinkmap::kernels
