/* Networks that must be refused, or that must load and run, in little memory. */
#ifndef TEST_HOSTILE_H
#define TEST_HOSTILE_H

#include <sys/resource.h>

#include "layermask/session.h"
#include "network_text.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif
#else
enum { SANITIZED = 0 };
#endif

/* A scratch folder, and 2 GiB of address space for the whole program: what asks for more ends as
 * LM_NOMEM instead of the expected error.  Sanitizers need the space themselves. */
static inline int hostile_start(void **state)
{
    struct rlimit limit = {(rlim_t)2 << 30, (rlim_t)2 << 30};
    if (!SANITIZED && setrlimit(RLIMIT_AS, &limit) != 0)
        return -1;
    return scratch_make(state);
}

struct refusal {
    const char *network;
    enum lm_status status;
    const char *text; /* after "m.onnx: " */
};

/* Says what is wrong and returns false. */
static inline bool is_refused(const struct refusal *refusal, const struct lm_model_options *options)
{
    struct lm_error error = {0};
    struct lm_model *const untouched = (struct lm_model *)(void *)&error, *model = untouched;
    enum lm_status status = lm_model_load(network_file(refusal->network), options, &model, &error);
    char expected[sizeof error.text];
    snprintf(expected, sizeof expected, "m.onnx: %s", refusal->text);
    if (status == LM_OK)
        lm_model_free(model);
    if (status == refusal->status && error.status == status && model == untouched &&
        strcmp(error.text, expected) == 0)
        return true;
    print_error("%s\n  status %d: %s\n  not %d: %s\n", refusal->network, status, error.text,
                refusal->status, expected);
    return false;
}

static inline void assert_all_refused(const struct refusal *refusals, size_t n,
                                      const struct lm_model_options *options)
{
    bool all = true;
    for (size_t i = 0; i < n; i++)
        all &= is_refused(&refusals[i], options);
    assert_true(all);
}

/* A mask of which about a third is hidden. */
static inline void make_ragged_mask(struct lm_mask *mask, uint32_t width, uint32_t height)
{
    assert_int_equal(lm_mask_create(width, height, mask, NULL), LM_OK);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            if ((x * 7 + y * 5) % 11 > 3)
                lm_mask_set(mask, x, y);
}

/* Loads, runs two images, one of them masked, and gives the scores of both (classes <= 64). */
static inline uint32_t run_file(const char *path, const struct lm_model_options *options,
                                float scores[128])
{
    struct lm_error error = {0};
    struct lm_model *model;
    struct lm_session *session;
    struct lm_model_info info;
    struct lm_mask mask;
    if (lm_model_load(path, options, &model, &error) != LM_OK)
        fail_msg("%s", error.text);
    lm_model_info(model, &info);
    assert_true(info.classes >= 1 && info.classes <= 64);
    size_t n = (size_t)info.channels * info.height * info.width;
    float *image = malloc(n * sizeof *image);
    for (size_t i = 0; i < n; i++)
        image[i] = network_number(i + 3);
    make_ragged_mask(&mask, info.width, info.height);
    if (lm_session_create(model, 2, 1, &session, &error) != LM_OK)
        fail_msg("%s", error.text);
    const float *const inputs[] = {image, image};
    const struct lm_mask *const masks[] = {NULL, &mask};
    assert_int_equal(lm_session_run(session, 2, inputs, masks, scores, NULL, &error), LM_OK);
    lm_session_free(session);
    lm_mask_free(&mask);
    free(image);
    lm_model_free(model);
    return info.classes;
}

static inline uint32_t run_network(const char *text, float scores[128])
{
    return run_file(network_file(text), NULL, scores);
}

#endif
