/* What this machine can do, measured: the yardsticks of `layermask bench`. */
#ifndef CLI_BENCH_MACHINE_H
#define CLI_BENCH_MACHINE_H

#include <stdint.h>

#include "layermask/status.h"

/* What one thread of this machine reaches in plain single-precision matrix products (OpenBLAS,
 * 768 x 768), GFLOP/s: the best of the products run in about `seconds`.  0: libopenblas.so.0 is not
 * installed, or there is no memory. */
double bench_sgemm_gflops(double seconds);

/* Multiply-adds of the machine's own matrix product on `threads` threads at once, GFLOP/s.
 * Errors: LM_NOMEM. */
enum lm_status bench_measure_sgemm(uint32_t threads, double *out, struct lm_error *error);

/* Bytes read and written by a = b + s * c over arrays of 384 MB together, on `threads` threads at
 * once, GB/s: memory's, unless the caches are larger than that.  0 if there is no room for them.
 * Errors: LM_NOMEM. */
enum lm_status bench_measure_stream(uint32_t threads, double *out, struct lm_error *error);

#endif
