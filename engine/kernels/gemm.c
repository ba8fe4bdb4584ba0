/* Matrix product by OpenBLAS, on the calling thread; the only file that knows BLAS. */
#include <cblas.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "kernels/kernels.h"
#include "layermask/session.h"

void kernels_gemm(float *target, size_t target_stride, const float *a, size_t a_stride,
                  const float *b, size_t b_stride, size_t rows, size_t columns, size_t depth)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)rows, (blasint)columns,
                (blasint)depth, 1.0f, a, (blasint)a_stride, b, (blasint)b_stride, 0.0f, target,
                (blasint)target_stride);
}

void kernels_gemm_start(void)
{
    openblas_set_num_threads(1);
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double lm_sgemm_gflops(double seconds)
{
    enum { SIDE = 768 };
    kernels_gemm_start();
    float *data = aligned_bytes(3 * (size_t)SIDE * SIDE * sizeof *data);
    if (!data)
        return 0;
    for (size_t i = 0; i < 2 * (size_t)SIDE * SIDE; i++)
        data[i] = (float)(i % 17) - 8.0f;
    float *a = data, *b = data + SIDE * SIDE, *c = data + 2 * SIDE * SIDE;
    double best = 0, end = seconds_now() + seconds;
    do {
        double start = seconds_now();
        kernels_gemm(c, SIDE, a, SIDE, b, SIDE, SIDE, SIDE, SIDE);
        double rate = 2.0 * SIDE * SIDE * SIDE / (seconds_now() - start) * 1e-9;
        best = rate > best ? rate : best;
    } while (seconds_now() < end);
    free(data);
    return best;
}
