/* The machine's ceilings.  Both are the best of several tries: a ceiling is what can be reached. */
#include "cli/bench_machine.h"

#include <stdlib.h>

#include "codec/clock.h"
#include "codec/thread_pool.h"

#define SGEMM_SECONDS 0.3
enum { STREAM_FLOATS = 1 << 25, STREAM_TRIES = 5 }; /* of each of the three arrays */

static void sgemm_task(void *argument, uint32_t index, uint32_t thread)
{
    double *gflops = argument;
    (void)thread;
    gflops[index] = bench_sgemm_gflops(SGEMM_SECONDS);
}

enum lm_status bench_measure_sgemm(uint32_t threads, double *out, struct lm_error *error)
{
    struct pool *pool = NULL;
    double gflops[POOL_MAX_THREADS] = {0}, sum = 0;
    enum lm_status status = pool_create(threads, 0, &pool, error);
    if (status != LM_OK)
        return status;
    pool_run(pool, threads, sgemm_task, gflops);
    pool_free(pool);
    for (uint32_t i = 0; i < threads; i++)
        sum += gflops[i];
    *out = sum;
    return LM_OK;
}

/* a, b and c of each thread stand one after the other, so that it first touches its own. */
struct stream {
    float *arrays;
    size_t part; /* floats of one array of one thread */
};

static void stream_task(void *argument, uint32_t index, uint32_t thread)
{
    const struct stream *stream = argument;
    float *restrict a = stream->arrays + 3 * stream->part * index;
    const float *restrict b = a + stream->part, *restrict c = b + stream->part;
    (void)thread;
    for (size_t i = 0; i < stream->part; i++)
        a[i] = b[i] + 3.0f * c[i];
}

static void fill_task(void *argument, uint32_t index, uint32_t thread)
{
    const struct stream *stream = argument;
    float *own = stream->arrays + 3 * stream->part * index;
    (void)thread;
    for (size_t i = 0; i < 3 * stream->part; i++)
        own[i] = (float)(i % 17);
}

enum lm_status bench_measure_stream(uint32_t threads, double *out, struct lm_error *error)
{
    struct stream stream = {.part = STREAM_FLOATS / threads};
    double best = 0;
    struct pool *pool = NULL;
    enum lm_status status = pool_create(threads, 0, &pool, error);
    if (status != LM_OK)
        return status;
    stream.arrays = malloc(3 * stream.part * threads * sizeof *stream.arrays);
    if (stream.arrays)
        pool_run(pool, threads, fill_task, &stream);
    for (int i = 0; stream.arrays && i < STREAM_TRIES; i++) {
        double start = clock_ms();
        pool_run(pool, threads, stream_task, &stream);
        double rate = 3.0 * sizeof(float) * (double)stream.part * threads / 1e6;
        rate /= clock_ms() - start;
        best = rate > best ? rate : best;
    }
    free(stream.arrays);
    pool_free(pool);
    *out = best;
    return LM_OK;
}
