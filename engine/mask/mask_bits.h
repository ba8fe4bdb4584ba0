/* Runs of equal bits in an array of 64-bit words; bit i is bit i % 64 of word i / 64. */
#ifndef LM_MASK_BITS_H
#define LM_MASK_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The lowest n bits, n in 0..63. */
static inline uint64_t bits_low(size_t n)
{
    return ((uint64_t)1 << n) - 1;
}

/* Sets the bits from..to-1. */
static inline void bits_set_span(uint64_t *words, size_t from, size_t to)
{
    if (from >= to)
        return;
    size_t first = from / 64, last = (to - 1) / 64;
    uint64_t head = ~bits_low(from % 64);
    uint64_t tail = to % 64 ? bits_low(to % 64) : ~(uint64_t)0;
    if (first == last) {
        words[first] |= head & tail;
        return;
    }
    words[first] |= head;
    for (size_t i = first + 1; i < last; i++)
        words[i] = ~(uint64_t)0;
    words[last] |= tail;
}

/* The first place from..end-1 whose bit is `value`; `end` when there is none. */
static inline size_t bits_find(const uint64_t *words, size_t from, size_t end, bool value)
{
    if (from >= end)
        return end;
    uint64_t flip = value ? 0 : ~(uint64_t)0;
    size_t i = from / 64, last = (end - 1) / 64;
    uint64_t word = (words[i] ^ flip) & ~bits_low(from % 64);
    while (!word && i < last)
        word = words[++i] ^ flip;
    if (!word)
        return end;
    size_t found = i * 64 + (size_t)__builtin_ctzll(word);
    return found < end ? found : end;
}

#endif
