/* Bits in rows of 64-bit words; bit i is bit i % 64 of word i / 64. */
#ifndef LM_BASE_BITS_H
#define LM_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Words that hold n bits. */
static inline size_t bits_words(size_t n)
{
    return (n + 63) / 64;
}

/* The lowest n bits, n in 0..63. */
static inline uint64_t bits_low(size_t n)
{
    return ((uint64_t)1 << n) - 1;
}

/* The bits in use of the last word of a row of n > 0 bits. */
static inline uint64_t bits_last(size_t n)
{
    return ~(uint64_t)0 >> (63 - (n - 1) % 64);
}

static inline bool bits_get(const uint64_t *words, size_t at)
{
    return words[at / 64] >> at % 64 & 1;
}

static inline void bits_put(uint64_t *words, size_t at)
{
    words[at / 64] |= (uint64_t)1 << at % 64;
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

/* The 64 bits from place `at` on, zeros outside of the n words; |at| < 2^40. */
static inline uint64_t bits_from(const uint64_t *words, size_t n, int64_t at)
{
    const int64_t far = (int64_t)1 << 40; /* so that the division rounds down */
    int64_t i = (int64_t)((uint64_t)(at + far) / 64) - far / 64;
    uint64_t shift = (uint64_t)at % 64;
    uint64_t low = i >= 0 && i < (int64_t)n ? words[i] >> shift : 0;
    if (!shift || i < -1 || i >= (int64_t)n - 1)
        return low;
    return low | words[i + 1] << (64 - shift);
}

/* Bits 0, 2, 4, ... next to each other, in the lower half. */
static inline uint64_t bits_squeeze(uint64_t x)
{
    x &= 0x5555555555555555u;
    x = (x | x >> 1) & 0x3333333333333333u;
    x = (x | x >> 2) & 0x0f0f0f0f0f0f0f0fu;
    x = (x | x >> 4) & 0x00ff00ff00ff00ffu;
    x = (x | x >> 8) & 0x0000ffff0000ffffu;
    return (x | x >> 16) & 0x00000000ffffffffu;
}

/* The lower half's bits at 0, 2, 4, ...; zeros between them. */
static inline uint64_t bits_stretch(uint64_t x)
{
    x &= 0x00000000ffffffffu;
    x = (x | x << 16) & 0x0000ffff0000ffffu;
    x = (x | x << 8) & 0x00ff00ff00ff00ffu;
    x = (x | x << 4) & 0x0f0f0f0f0f0f0f0fu;
    x = (x | x << 2) & 0x3333333333333333u;
    return (x | x << 1) & 0x5555555555555555u;
}

/* Bits that are set, without an instruction for it. */
static inline uint32_t bits_count(uint64_t x)
{
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (uint32_t)(x * 0x0101010101010101u >> 56);
}

#endif
