/* Allocation and size arithmetic of the engine: sizes from outside never overflow. */
#ifndef LM_BASE_MEMORY_H
#define LM_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* *out = a * b or a + b; false, with *out untouched, when that overflows. */
static inline bool size_mul(size_t a, size_t b, size_t *out)
{
    size_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

static inline bool size_add(size_t a, size_t b, size_t *out)
{
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

/* malloc of count * size bytes (at least 1); NULL on overflow or out of memory. */
static inline void *array_alloc(size_t count, size_t size)
{
    size_t bytes;
    if (!size_mul(count, size, &bytes))
        return NULL;
    return malloc(bytes ? bytes : 1);
}

/* The same, zeroed. */
static inline void *array_zalloc(size_t count, size_t size)
{
    return calloc(count ? count : 1, size ? size : 1);
}

/* Grows *array (of `size`-byte elements) to hold at least `need`, doubling; false when out of
 * memory. */
static inline bool array_grow(void **array, size_t *capacity, size_t need, size_t size)
{
    if (need <= *capacity)
        return true;
    size_t wanted = *capacity ? *capacity : 8;
    while (wanted < need)
        if (!size_mul(wanted, 2, &wanted))
            return false;
    size_t bytes;
    if (!size_mul(wanted, size, &bytes))
        return false;
    void *grown = realloc(*array, bytes);
    if (!grown)
        return false;
    *array = grown;
    *capacity = wanted;
    return true;
}

/* Alignment of everything that kernels touch: a cache line, and the widest vector. */
#define LM_ALIGN 64

/* The next multiple of LM_ALIGN. */
static inline size_t align_up(size_t bytes)
{
    return (bytes + LM_ALIGN - 1) / LM_ALIGN * LM_ALIGN;
}

/* Aligned to LM_ALIGN, uninitialised; free() it. */
static inline void *aligned_bytes(size_t bytes)
{
    size_t rounded;
    if (!size_add(bytes ? bytes : 1, LM_ALIGN - 1, &rounded))
        return NULL;
    return aligned_alloc(LM_ALIGN, rounded / LM_ALIGN * LM_ALIGN);
}

#endif
