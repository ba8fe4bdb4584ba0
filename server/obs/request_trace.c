/* Request ids and traceparent headers.  Ids come from the kernel's random numbers; where there are
 * none (old kernels, sandboxes), from clock and counter: still different, no longer unguessable. */
#include "obs/request_trace.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static const char hexadecimal[] = "0123456789abcdef";

/* A step of splitmix64, whose outputs do not repeat. */
static uint64_t mix(uint64_t value)
{
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

static void draw_without_kernel(uint8_t *bytes, size_t size)
{
    static atomic_uint_fast64_t counter;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t state = mix((uint64_t)now.tv_sec) ^ mix(mix((uint64_t)now.tv_nsec)) ^
                     mix(mix(mix((uint64_t)getpid()))) ^
                     ((uint64_t)atomic_fetch_add(&counter, 1) << 32);
    for (size_t i = 0; i < size; i++) {
        state = mix(state);
        bytes[i] = (uint8_t)(state >> 56);
    }
}

/* 2 * count digits and a NUL, not all 0. */
static void draw_hexadecimal(char *out, size_t count)
{
    uint8_t bytes[16];
    if (getrandom(bytes, count, GRND_NONBLOCK) != (ssize_t)count)
        draw_without_kernel(bytes, count);
    bytes[count - 1] |= bytes[0] == 0; /* costs one bit in 256 cases */
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = hexadecimal[bytes[i] >> 4];
        out[2 * i + 1] = hexadecimal[bytes[i] & 15];
    }
    out[2 * count] = '\0';
}

void request_id_make(char out[TRACE_ID_SIZE])
{
    draw_hexadecimal(out, 16);
}

bool request_id_valid(const char *text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "._:/+=@-";
    if (!text)
        return false;
    size_t length = strnlen(text, REQUEST_ID_MAX + 1);
    return length >= 1 && length <= REQUEST_ID_MAX && strspn(text, allowed) == length;
}

/* Whether `count` digits start at text; it ends early at a NUL. */
static bool is_hexadecimal(const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!text[i] || !strchr(hexadecimal, text[i]))
            return false;
    return true;
}

static bool is_id(const char *text, size_t count)
{
    return is_hexadecimal(text, count) && strspn(text, "0") < count;
}

static unsigned digit(char c)
{
    return (unsigned)(strchr(hexadecimal, c) - hexadecimal);
}

/* version "-" trace-id "-" parent-id "-" flags */
enum { TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53, END_AT = 55 };

bool trace_parent_parse(const char *text, struct trace_parent *out)
{
    if (!text || strnlen(text, END_AT) < END_AT || !is_hexadecimal(text, 2) ||
        strncmp(text, "ff", 2) == 0)
        return false;
    if (text[TRACE_AT - 1] != '-' || text[SPAN_AT - 1] != '-' || text[FLAGS_AT - 1] != '-')
        return false;
    if (!is_id(text + TRACE_AT, TRACE_ID_SIZE - 1) || !is_id(text + SPAN_AT, TRACE_SPAN_SIZE - 1) ||
        !is_hexadecimal(text + FLAGS_AT, 2))
        return false;
    bool version_0 = strncmp(text, "00", 2) == 0;
    if (text[END_AT] != '\0' && (version_0 || text[END_AT] != '-'))
        return false;
    struct trace_parent parent = {.sampled = digit(text[FLAGS_AT + 1]) & 1};
    memcpy(parent.trace_id, text + TRACE_AT, TRACE_ID_SIZE - 1);
    memcpy(parent.span_id, text + SPAN_AT, TRACE_SPAN_SIZE - 1);
    *out = parent;
    return true;
}
