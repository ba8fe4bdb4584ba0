/* Fuzz targets that are ordinary tests, too.
 *
 * A target file defines fuzz_name, fuzz_one(bytes, size) and fuzz_seed(index), and has FUZZ_MAIN.
 * As an ordinary test it replays the seeds and tests/fuzz/corpus/<fuzz_name>/ (inputs that once
 * broke something), then ROUNDS random changes of them from SEED; both are environment variables.
 * With -DFUZZER -fsanitize=fuzzer (clang) the same file is a libFuzzer program; WRITE_SEEDS=folder
 * makes the ordinary one write its seeds there.  Tests run in the project's folder.
 */
#ifndef TEST_FUZZ_H
#define TEST_FUZZ_H

#include <dirent.h>
#include <stdio.h>
#include <time.h>

#include "base/rng.h"
#include "wire.h"

/* Name, one input, and seed number `index` (bytes NULL past the last; freed by the caller). */
static const char fuzz_name[];
static void fuzz_one(const uint8_t *bytes, size_t size);
static struct wire fuzz_seed(size_t index);

enum { FUZZ_MOST = 64, FUZZ_BYTES = 1 << 16 };

static struct wire fuzz_corpus[FUZZ_MOST];
static size_t fuzz_count;

static inline struct wire fuzz_text(const char *text)
{
    struct wire wire = {0};
    wire_bytes(&wire, text, strlen(text));
    return wire;
}

static inline struct wire fuzz_file(const char *path)
{
    struct wire wire = {0};
    uint8_t chunk[4096];
    size_t got;
    FILE *file = fopen(path, "rb");
    if (!file)
        abort();
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        wire_bytes(&wire, chunk, got);
    fclose(file);
    return wire;
}

static inline void fuzz_load(void)
{
    char path[400];
    struct wire seed;
    while ((seed = fuzz_seed(fuzz_count)).bytes)
        fuzz_corpus[fuzz_count++] = seed;
    const char *folder = getenv("WRITE_SEEDS");
    for (size_t i = 0; folder && i < fuzz_count; i++) {
        snprintf(path, sizeof path, "%.300s/seed-%zu", folder, i);
        FILE *file = fopen(path, "wb");
        if (!file ||
            fwrite(fuzz_corpus[i].bytes, 1, fuzz_corpus[i].size, file) != fuzz_corpus[i].size ||
            fclose(file) != 0)
            abort();
    }
    snprintf(path, sizeof path, "tests/fuzz/corpus/%s", fuzz_name);
    DIR *corpus = opendir(path);
    for (struct dirent *entry; corpus && (entry = readdir(corpus));) {
        snprintf(path, sizeof path, "tests/fuzz/corpus/%s/%.255s", fuzz_name, entry->d_name);
        if (entry->d_name[0] != '.' && fuzz_count < FUZZ_MOST)
            fuzz_corpus[fuzz_count++] = fuzz_file(path);
    }
    if (corpus)
        closedir(corpus);
}

static inline void fuzz_unload(void)
{
    while (fuzz_count > 0)
        wire_free(&fuzz_corpus[--fuzz_count]);
}

static inline size_t fuzz_below(struct rng *rng, size_t bound)
{
    return (size_t)rng_below(rng, bound ? bound : 1);
}

/* One change: a bit, a byte, a number, or a piece that is removed, doubled or taken from another
 * input. */
static inline void fuzz_change(struct rng *rng, struct wire *input)
{
    static const uint8_t bytes[] = {0, 1, 2, 7, 8, 0x7f, 0x80, 0xff, ' ', '"', '-', '9', '{', '['};
    if (!input->size)
        return;
    size_t at = fuzz_below(rng, input->size);
    size_t n = 1 + fuzz_below(rng, fuzz_below(rng, 4) ? 8 : input->size);
    n = n < input->size - at ? n : input->size - at;
    const struct wire *other = &fuzz_corpus[fuzz_below(rng, fuzz_count)];
    struct wire changed = {0};
    switch (fuzz_below(rng, 7)) {
    case 0: input->bytes[at] ^= (uint8_t)(1u << fuzz_below(rng, 8)); return;
    case 1: input->bytes[at] = bytes[fuzz_below(rng, sizeof bytes)]; return;
    case 2: input->bytes[at] = (uint8_t)rng_next(rng); return;
    case 3: memset(input->bytes + at, bytes[fuzz_below(rng, sizeof bytes)], n); return;
    case 4: /* removed */
        memmove(input->bytes + at, input->bytes + at + n, input->size - at - n);
        input->size -= n;
        return;
    case 5: /* doubled */
        wire_bytes(&changed, input->bytes, at + n);
        wire_bytes(&changed, input->bytes + at, input->size - at);
        break;
    default: /* the end of another */
        wire_bytes(&changed, input->bytes, at);
        at = fuzz_below(rng, other->size);
        wire_bytes(&changed, other->bytes + at, other->size - at);
    }
    if (changed.size > FUZZ_BYTES)
        changed.size = FUZZ_BYTES;
    wire_free(input);
    *input = changed;
}

static inline uint64_t fuzz_setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static inline void fuzz_replay(void **state)
{
    (void)state;
    for (size_t i = 0; i < fuzz_count; i++) {
        uint8_t *exact = malloc(fuzz_corpus[i].size + !fuzz_corpus[i].size);
        memcpy(exact, fuzz_corpus[i].bytes, fuzz_corpus[i].size);
        fuzz_one(exact, fuzz_corpus[i].size);
        free(exact);
    }
}

/* Where a crash can be found again: SEED and ROUND. */
static uint64_t fuzz_round;

static inline void fuzz_mutate(void **state)
{
    (void)state;
    uint64_t seed = fuzz_setting("SEED", 1), rounds = fuzz_setting("ROUNDS", 2000);
    clock_t start = clock();
    for (fuzz_round = 0; fuzz_round < rounds; fuzz_round++) {
        struct rng rng;
        struct wire input = {0};
        rng_seed(&rng, seed * 1000003 + fuzz_round);
        const struct wire *from = &fuzz_corpus[fuzz_below(&rng, fuzz_count)];
        wire_bytes(&input, from->bytes, from->size);
        for (size_t n = 1 + fuzz_below(&rng, 4); n > 0; n--)
            fuzz_change(&rng, &input);
        uint8_t *exact = malloc(input.size + !input.size);
        memcpy(exact, input.bytes ? input.bytes : exact, input.size);
        fuzz_one(exact, input.size);
        free(exact);
        wire_free(&input);
        if (!getenv("ROUNDS") && (double)(clock() - start) / CLOCKS_PER_SEC > 3)
            break;
    }
}

#ifdef FUZZER
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_one(bytes, size);
    return 0;
}
#define FUZZ_MAIN(...)
#else
/* More tests may follow. */
#define FUZZ_MAIN(...)                                                                             \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = {cmocka_unit_test(fuzz_replay),                          \
                                           cmocka_unit_test(fuzz_mutate), __VA_ARGS__};            \
        fuzz_load();                                                                               \
        int failed = cmocka_run_group_tests_name(fuzz_name, tests, NULL, NULL);                    \
        fuzz_unload();                                                                             \
        return failed;                                                                             \
    }
#endif

#endif
