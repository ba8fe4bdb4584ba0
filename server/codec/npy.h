/* NumPy's .npy files: arrays of numbers for tests and for people with tensors of their own. */
#ifndef CODEC_NPY_H
#define CODEC_NPY_H

#include <stddef.h>
#include <stdint.h>

#include "layermask/status.h"

enum { NPY_MAX_DIMENSIONS = 8 };

/* Whatever the file held, as float, in C order. */
struct npy {
    uint32_t dimensions;
    size_t shape[NPY_MAX_DIMENSIONS];
    size_t count; /* product of the shape */
    float *data;
};

/* Reads format versions 1 and 2 with little-endian float32, float64, uint8 or bool in C order.
 * where: what to call the file in errors.
 * Errors: LM_CORRUPT (not .npy, cut short, bytes left over), LM_UNSUPPORTED (version, type,
 * order), LM_LIMIT (dimensions, elements), LM_NOMEM. */
enum lm_status npy_parse(const void *bytes, size_t size, const char *where, struct npy *out,
                         struct lm_error *error);

/* The same from a file of at most 4 GiB; also LM_IO. */
enum lm_status npy_read(const char *path, struct npy *out, struct lm_error *error);

void npy_free(struct npy *array); /* NULL is fine; leaves {0} */

#endif
