/* What OpenBLAS makes of this machine, on one thread: a yardstick for our own products.  The only
 * file that knows BLAS, and an object of its own, so that programs that do not measure are linked
 * without it. */
#include <cblas.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "layermask/session.h"

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double lm_sgemm_gflops(double seconds)
{
    enum { SIDE = 768 };
    openblas_set_num_threads(1);
    float *data = aligned_bytes(3 * (size_t)SIDE * SIDE * sizeof *data);
    if (!data)
        return 0;
    for (size_t i = 0; i < 2 * (size_t)SIDE * SIDE; i++)
        data[i] = (float)(i % 17) - 8.0f;
    float *a = data, *b = data + SIDE * SIDE, *c = data + 2 * SIDE * SIDE;
    double best = 0, end = seconds_now() + seconds;
    do {
        double start = seconds_now();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, SIDE, SIDE, SIDE, 1.0f, a, SIDE, b,
                    SIDE, 0.0f, c, SIDE);
        double rate = 2.0 * SIDE * SIDE * SIDE / (seconds_now() - start) * 1e-9;
        best = rate > best ? rate : best;
    } while (seconds_now() < end);
    free(data);
    return best;
}
