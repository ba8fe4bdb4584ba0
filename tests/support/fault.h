/* Memory that runs out on purpose: allocation n fails, for n = 0, 1, 2, ... until the call under
 * test succeeds.
 *
 * This file defines malloc and its relatives, for the whole program: libraries and the C library
 * itself call these, too.  Include it in one file.  glibc only.  Memory comes from what is below:
 * the sanitizer's allocator, or glibc's.  Only the arming thread's allocations count and fail: a
 * library's own threads allocate whenever they like.
 *
 *     static enum lm_status attempt(struct lm_error *error) { ... }
 *     fault_ratchet(attempt);
 */
#ifndef TEST_FAULT_H
#define TEST_FAULT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "layermask/status.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FAULT_ADDRESS
#elif __has_feature(thread_sanitizer)
#define FAULT_THREAD
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(FAULT_ADDRESS)
#define BELOW(function) __interceptor_##function
#else
#define BELOW(function) __libc_##function
#endif

static _Thread_local bool fault_armed, fault_forever, fault_was_ours;
static _Thread_local unsigned long fault_at, fault_seen;

extern const char __executable_start[], etext[]; /* of this program, without its libraries */

/* The thread sanitizer cannot live below other functions: with it, nothing fails, and ratchets are
 * skipped. */
#if defined(__SANITIZE_THREAD__) || defined(FAULT_THREAD)
enum { FAULT_WORKS = 0 };
#else
enum { FAULT_WORKS = 1 };

extern void *BELOW(malloc)(size_t);
extern void *BELOW(calloc)(size_t, size_t);
extern void *BELOW(realloc)(void *, size_t);
extern void *BELOW(memalign)(size_t, size_t);

/* Whether this allocation is to fail. */
static inline bool fault_now(const void *caller)
{
    if (!fault_armed)
        return false;
    unsigned long n = fault_seen++;
    if (n != fault_at && !(fault_forever && n > fault_at))
        return false;
    if (n == fault_at)
        fault_was_ours = (uintptr_t)caller >= (uintptr_t)__executable_start &&
                         (uintptr_t)caller < (uintptr_t)etext;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fault_now(__builtin_return_address(0)) ? NULL : BELOW(malloc)(size);
}

void *calloc(size_t count, size_t size)
{
    return fault_now(__builtin_return_address(0)) ? NULL : BELOW(calloc)(count, size);
}

void *realloc(void *old, size_t size)
{
    return fault_now(__builtin_return_address(0)) ? NULL : BELOW(realloc)(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fault_now(__builtin_return_address(0)) ? NULL : BELOW(memalign)(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *memory = fault_now(__builtin_return_address(0)) ? NULL : BELOW(memalign)(alignment, size);
    if (!memory)
        return ENOMEM;
    *out = memory;
    return 0;
}

#endif

/* Allocation n from now on fails; forever: all later ones, too. */
static inline void fault_arm(unsigned long n, bool forever)
{
    fault_at = n;
    fault_forever = forever;
    fault_seen = 0;
    fault_armed = true;
}

/* Number of allocations since fault_arm. */
static inline unsigned long fault_disarm(void)
{
    fault_armed = false;
    return fault_seen;
}

/* Counts without failing. */
static inline void fault_count(void)
{
    fault_arm(~0ul, false);
}

/* attempt: does the thing, checks that its output is untouched on failure, frees it on success. */
static inline void fault_ratchet_once(enum lm_status (*attempt)(struct lm_error *error),
                                      bool forever)
{
    for (unsigned long n = 0;; n++) {
        struct lm_error error = {0};
        fault_arm(n, forever);
        enum lm_status status = attempt(&error);
        bool failed = fault_disarm() > n;
        if (!failed) {
            if (status != LM_OK)
                fail_msg("with all memory: status %d, %s", status, error.text);
            assert_true(n > 0);
            return;
        }
        /* The C library has other ways sometimes: qsort sorts in place. */
        if (status == LM_OK && !fault_was_ours)
            continue;
        if (status != LM_NOMEM || error.status != LM_NOMEM || !error.text[0])
            fail_msg("allocation %lu failed: status %d, error %d, '%s'", n, status, error.status,
                     error.text);
    }
}

static inline void fault_ratchet(enum lm_status (*attempt)(struct lm_error *error))
{
    if (!FAULT_WORKS)
        skip();
    fault_ratchet_once(attempt, false);
    fault_ratchet_once(attempt, true);
}

#endif
