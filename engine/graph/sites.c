/* Byte maps of sites: windows forwards and backwards, neighbourhoods, set operations.
 * Windows are separable: columns first, then rows. */
#include "graph/sites.h"

#include <string.h>

void sites_or(uint8_t *restrict target, const uint8_t *restrict other, size_t n)
{
    for (size_t i = 0; i < n; i++)
        target[i] |= other[i];
}

void sites_and(uint8_t *restrict target, const uint8_t *restrict other, size_t n)
{
    for (size_t i = 0; i < n; i++)
        target[i] &= other[i];
}

bool sites_any_set(const uint8_t *sites, size_t n)
{
    return memchr(sites, 1, n) != NULL;
}

/* The outputs o in first..last-1 whose cell `o * stride + shift` lies in 0..in-1. */
struct span {
    int64_t first, last, shift;
};

static struct span span_of(uint32_t tap, uint32_t dilation, uint32_t pad, uint32_t stride,
                           uint32_t in, uint32_t out)
{
    struct span span = {.shift = (int64_t)tap * dilation - pad};
    int64_t s = stride;
    span.first = span.shift >= 0 ? 0 : (-span.shift + s - 1) / s;
    int64_t room = (int64_t)in - 1 - span.shift;
    span.last = room < 0 ? 0 : room / s + 1;
    if (span.last > out)
        span.last = out;
    if (span.first > span.last)
        span.first = span.last;
    return span;
}

static uint32_t left_pad(const struct window *w)
{
    return w->pad_left + w->border.left;
}

static uint32_t top_pad(const struct window *w)
{
    return w->pad_top + w->border.top;
}

void sites_any(const struct window *w, const uint8_t *in, uint8_t *out, uint8_t *scratch)
{
    memset(scratch, 0, (size_t)w->in_height * w->out_width);
    memset(out, 0, (size_t)w->out_height * w->out_width);
    for (uint32_t t = 0; t < w->kernel_width; t++) {
        struct span x =
            span_of(t, w->dilation_x, left_pad(w), w->stride_x, w->in_width, w->out_width);
        for (uint32_t y = 0; y < w->in_height; y++) {
            const uint8_t *source = in + (size_t)y * w->in_width;
            uint8_t *target = scratch + (size_t)y * w->out_width;
            if (w->stride_x == 1)
                sites_or(target + x.first, source + x.first + x.shift, (size_t)(x.last - x.first));
            else
                for (int64_t o = x.first; o < x.last; o++)
                    target[o] |= source[o * w->stride_x + x.shift];
        }
    }
    for (uint32_t t = 0; t < w->kernel_height; t++) {
        struct span y =
            span_of(t, w->dilation_y, top_pad(w), w->stride_y, w->in_height, w->out_height);
        for (int64_t o = y.first; o < y.last; o++)
            sites_or(out + o * w->out_width, scratch + (o * w->stride_y + y.shift) * w->out_width,
                     w->out_width);
    }
}

void sites_cover(const struct window *w, const uint8_t *out, uint8_t *in, uint8_t *scratch)
{
    memset(scratch, 0, (size_t)w->in_height * w->out_width);
    for (uint32_t t = 0; t < w->kernel_height; t++) {
        struct span y =
            span_of(t, w->dilation_y, top_pad(w), w->stride_y, w->in_height, w->out_height);
        for (int64_t o = y.first; o < y.last; o++)
            sites_or(scratch + (o * w->stride_y + y.shift) * w->out_width, out + o * w->out_width,
                     w->out_width);
    }
    for (uint32_t t = 0; t < w->kernel_width; t++) {
        struct span x =
            span_of(t, w->dilation_x, left_pad(w), w->stride_x, w->in_width, w->out_width);
        for (uint32_t y = 0; y < w->in_height; y++) {
            const uint8_t *source = scratch + (size_t)y * w->out_width;
            uint8_t *target = in + (size_t)y * w->in_width;
            if (w->stride_x == 1)
                sites_or(target + x.first + x.shift, source + x.first, (size_t)(x.last - x.first));
            else
                for (int64_t o = x.first; o < x.last; o++)
                    target[o * w->stride_x + x.shift] |= source[o];
        }
    }
}

void sites_grow(uint32_t height, uint32_t width, const uint8_t *in, uint8_t *out, uint8_t *scratch)
{
    for (uint32_t y = 0; y < height; y++) {
        const uint8_t *source = in + (size_t)y * width;
        uint8_t *target = scratch + (size_t)y * width;
        memcpy(target, source, width);
        sites_or(target, source + 1, width - 1);
        sites_or(target + 1, source, width - 1);
    }
    memcpy(out, scratch, (size_t)height * width);
    sites_or(out, scratch + width, (size_t)(height - 1) * width);
    sites_or(out + width, scratch, (size_t)(height - 1) * width);
}
