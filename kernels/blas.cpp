#include "kernels/blas.h"

#include <cblas.h>
#include <lapacke.h>

namespace brinkmap::kernels {

void pin_blas() { openblas_set_num_threads(1); }

std::string blas_core() { return openblas_get_corename(); }

void sgemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, float alpha,
           const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float beta, float* c,
           std::int64_t ldc) noexcept {
  cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans,
              static_cast<blasint>(m), static_cast<blasint>(n), static_cast<blasint>(k), alpha, a,
              static_cast<blasint>(lda), b, static_cast<blasint>(ldb), beta, c, static_cast<blasint>(ldc));
}

// A row-major upper triangle is a column-major lower one, for which LAPACK needs no transposed copy.
bool cholesky(std::int64_t n, double* a) noexcept {
  const auto size = static_cast<lapack_int>(n);
  return LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'L', size, a, size) == 0;
}

bool cholesky_inverse(std::int64_t n, double* u) noexcept {
  const auto size = static_cast<lapack_int>(n);
  return LAPACKE_dpotri_work(LAPACK_COL_MAJOR, 'L', size, u, size) == 0;
}

}  // namespace brinkmap::kernels
