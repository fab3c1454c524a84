#include "kernels/lanes_avx512vnni.h"
#include "kernels/ops_rows.h"

namespace brinkmap::kernels {

constexpr OpsTable kAvx512VnniOps = RowOps<Avx512Lanes>::table();

}  // namespace brinkmap::kernels
