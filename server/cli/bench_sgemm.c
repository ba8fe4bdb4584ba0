/* What OpenBLAS makes of this machine, on one thread: a yardstick for our own products.  The only
 * file that knows BLAS.  The library is opened when it is asked for: it starts threads that spin
 * for a while, in every program that is linked with it. */
#include <cblas.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench_machine.h"
#include "codec/clock.h"

enum { SIDE = 768 };

struct blas {
    void (*set_num_threads)(int threads);
    void (*sgemm)(CBLAS_ORDER order, CBLAS_TRANSPOSE trans_a, CBLAS_TRANSPOSE trans_b, blasint m,
                  blasint n, blasint k, float alpha, const float *a, blasint lda, const float *b,
                  blasint ldb, float beta, float *c, blasint ldc);
};

/* It stays open: its threads may run. */
static bool blas_open(struct blas *out)
{
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    void *threads = library ? dlsym(library, "openblas_set_num_threads") : NULL;
    void *sgemm = library ? dlsym(library, "cblas_sgemm") : NULL;
    memcpy(&out->set_num_threads, &threads, sizeof threads); /* C has no cast for it */
    memcpy(&out->sgemm, &sgemm, sizeof sgemm);
    return threads && sgemm;
}

double bench_sgemm_gflops(double seconds)
{
    struct blas blas;
    float *data =
        blas_open(&blas) ? aligned_alloc(64, 3 * (size_t)SIDE * SIDE * sizeof *data) : NULL;
    if (!data)
        return 0;
    blas.set_num_threads(1);
    for (size_t i = 0; i < 2 * (size_t)SIDE * SIDE; i++)
        data[i] = (float)(i % 17) - 8.0f;
    float *a = data, *b = data + SIDE * SIDE, *c = data + 2 * SIDE * SIDE;
    double best = 0, end = clock_ms() + 1e3 * seconds;
    do {
        double start = clock_ms();
        blas.sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, SIDE, SIDE, SIDE, 1.0f, a, SIDE, b,
                   SIDE, 0.0f, c, SIDE);
        double rate = 2.0 * SIDE * SIDE * SIDE / (clock_ms() - start) * 1e-6;
        best = rate > best ? rate : best;
    } while (clock_ms() < end);
    free(data);
    return best;
}
