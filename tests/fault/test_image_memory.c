/* Pictures, masks, segments, explanations and drawings when memory runs out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fault.h"
#include "image_fixture.h"
#include "layermask/layermask.h"

static struct fixture file;
static struct lm_image picture;
static struct lm_mask region;

static enum lm_status decode(struct lm_error *error)
{
    struct lm_image image = {.width = 77};
    enum lm_status status = lm_image_decode(file.bytes, file.size, NULL, &image, error);
    if (status == LM_OK)
        lm_image_free(&image);
    else
        assert_true(image.width == 77 && !image.rgb);
    return status;
}

static void test_decode(void **state)
{
    (void)state;
    static const char *const names[] = {"baseline.jpg", "progressive.jpg",     "cmyk.jpg",
                                        "exif_6.jpg",   "rgb16_alpha.png",     "palette4.png",
                                        "exif_5.png",   "rgb8_interlaced.png", "grey16.png"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        file = fixture_read(names[i], "");
        fault_ratchet(decode);
        free(file.bytes);
    }
}

static enum lm_status encode_png(struct lm_error *error)
{
    uint8_t *const untouched = (uint8_t *)error;
    uint8_t *bytes = untouched;
    size_t size = 77;
    enum lm_status status = lm_image_encode_png(&picture, &bytes, &size, error);
    if (status == LM_OK)
        free(bytes);
    else
        assert_true(bytes == untouched && size == 77);
    return status;
}

static enum lm_status encode_jpeg(struct lm_error *error)
{
    uint8_t *const untouched = (uint8_t *)error;
    uint8_t *bytes = untouched;
    size_t size = 77;
    enum lm_status status = lm_image_encode_jpeg(&picture, 90, &bytes, &size, error);
    if (status == LM_OK)
        free(bytes);
    else
        assert_true(bytes == untouched && size == 77);
    return status;
}

static enum lm_status resize(struct lm_error *error)
{
    struct lm_image image = {.width = 77};
    enum lm_status status = lm_image_resize(&picture, 31, 17, &image, error);
    if (status == LM_OK)
        lm_image_free(&image);
    else
        assert_true(image.width == 77 && !image.rgb);
    return status;
}

static void test_pictures(void **state)
{
    (void)state;
    fault_ratchet(encode_png);
    fault_ratchet(encode_jpeg);
    fault_ratchet(resize);
}

/* Masks are made once, or changed in place: whatever fails, they stay usable. */
static enum lm_status create_mask(struct lm_error *error)
{
    struct lm_mask mask = {.width = 77};
    enum lm_status status = lm_mask_create(100, 3, &mask, error);
    if (status == LM_OK)
        lm_mask_free(&mask);
    else
        assert_true(mask.width == 77 && !mask.bits);
    return status;
}

static enum lm_status add_polygon(struct lm_error *error)
{
    static const double triangle[] = {1, 1, 30, 5, 4, 25};
    uint64_t before = lm_mask_count(&region);
    enum lm_status status = lm_mask_add_polygon(&region, triangle, 3, error);
    assert_true(status == LM_OK || lm_mask_count(&region) == before);
    return status;
}

static enum lm_status add_rle(struct lm_error *error)
{
    const uint64_t counts[] = {10, 20, (uint64_t)region.width * region.height - 30};
    uint64_t before = lm_mask_count(&region);
    enum lm_status status = lm_mask_add_rle(&region, counts, 3, error);
    assert_true(status == LM_OK || lm_mask_count(&region) == before);
    return status;
}

static char *rle_text;

static enum lm_status write_rle(struct lm_error *error)
{
    char *const untouched = error->text;
    char *text = untouched;
    enum lm_status status = lm_mask_rle_string(&region, &text, error);
    if (status == LM_OK)
        free(text);
    else
        assert_ptr_equal(text, untouched);
    return status;
}

static enum lm_status write_counts(struct lm_error *error)
{
    uint64_t *const untouched = (uint64_t *)(void *)error;
    uint64_t *counts = untouched;
    size_t n = 77;
    enum lm_status status = lm_mask_rle_counts(&region, &counts, &n, error);
    if (status == LM_OK)
        free(counts);
    else
        assert_true(counts == untouched && n == 77);
    return status;
}

static enum lm_status add_rle_text(struct lm_error *error)
{
    uint64_t before = lm_mask_count(&region);
    enum lm_status status = lm_mask_add_rle_string(&region, rle_text, strlen(rle_text), error);
    assert_true(status == LM_OK || lm_mask_count(&region) == before);
    return status;
}

static enum lm_status add_png(struct lm_error *error)
{
    uint64_t before = lm_mask_count(&region);
    enum lm_status status = lm_mask_add_png(&region, file.bytes, file.size, error);
    assert_true(status == LM_OK || lm_mask_count(&region) == before);
    return status;
}

static const struct lm_transform transform = {40, 20, 20, 10, 5, 0, 10, 10};

static enum lm_status to_input(struct lm_error *error)
{
    struct lm_mask out = {.width = 77};
    struct lm_mask box = {0};
    enum lm_status status = lm_mask_create(40, 20, &box, error);
    if (status == LM_OK)
        status = lm_mask_to_input(&box, &transform, &out, error);
    assert_true(status == LM_OK || (out.width == 77 && !out.bits));
    if (status == LM_OK)
        lm_mask_free(&out);
    lm_mask_free(&box);
    return status;
}

static enum lm_status to_image(struct lm_error *error)
{
    struct lm_mask out = {.width = 77};
    struct lm_mask box = {0};
    enum lm_status status = lm_mask_create(10, 10, &box, error);
    if (status == LM_OK)
        status = lm_mask_to_image(&box, &transform, &out, error);
    assert_true(status == LM_OK || (out.width == 77 && !out.bits));
    if (status == LM_OK)
        lm_mask_free(&out);
    lm_mask_free(&box);
    return status;
}

static void test_masks(void **state)
{
    (void)state;
    assert_int_equal(lm_mask_create(picture.width, picture.height, &region, NULL), LM_OK);
    fault_ratchet(create_mask);
    fault_ratchet(add_polygon);
    fault_ratchet(add_rle);
    fault_ratchet(write_rle);
    fault_ratchet(write_counts);
    assert_int_equal(lm_mask_rle_string(&region, &rle_text, NULL), LM_OK);
    fault_ratchet(add_rle_text);
    free(rle_text);
    assert_int_equal(lm_image_encode_png(&picture, &file.bytes, &file.size, NULL), LM_OK);
    fault_ratchet(add_png);
    free(file.bytes);
    fault_ratchet(to_input);
    fault_ratchet(to_image);
    lm_mask_free(&region);
}

static struct lm_segment_options segment_options;

static enum lm_status segment(struct lm_error *error)
{
    struct lm_segments segments = {.width = 77};
    enum lm_status status = lm_segment(&picture, &segment_options, &segments, error);
    if (status == LM_OK)
        lm_segments_free(&segments);
    else
        assert_true(segments.width == 77 && !segments.labels);
    return status;
}

static enum lm_status segment_custom(struct lm_error *error)
{
    static const int64_t ids[] = {5, 5, -1, 7, 7, 7};
    struct lm_segments segments = {.width = 77};
    enum lm_status status = lm_segments_custom(ids, 3, 2, 10, &segments, error);
    if (status == LM_OK)
        lm_segments_free(&segments);
    else
        assert_true(segments.width == 77 && !segments.labels);
    return status;
}

static void test_segments(void **state)
{
    (void)state;
    segment_options = (struct lm_segment_options){.n_segments = 6};
    fault_ratchet(segment);
    segment_options.sigma = 1;
    fault_ratchet(segment);
    segment_options = (struct lm_segment_options){.method = LM_SEGMENT_GRID, .rows = 2};
    fault_ratchet(segment);
    fault_ratchet(segment_custom);
}

static struct lm_lime_options lime_options;

/* Two outputs: a sum, and one that never changes (a warning). */
static enum lm_status predict(void *context, const struct lm_samples *samples, double *outputs,
                              struct lm_error *error)
{
    (void)context;
    (void)error;
    for (uint32_t i = 0; i < samples->count; i++) {
        outputs[2 * i] = 0.5;
        outputs[2 * i + 1] = samples->z[i * samples->segments] + 0.5 * samples->z[i];
    }
    return LM_OK;
}

static enum lm_status explain(struct lm_error *error)
{
    struct lm_explanation explanation = {.n_labels = 77};
    enum lm_status status =
        lm_explain_lime(&lime_options, 9, 2, NULL, 2, predict, NULL, &explanation, error);
    if (status == LM_OK)
        lm_explanation_free(&explanation);
    else
        assert_true(explanation.n_labels == 77 && !explanation.labels);
    return status;
}

static void test_lime(void **state)
{
    (void)state;
    lime_options = (struct lm_lime_options){.samples = 30};
    fault_ratchet(explain);
    lime_options.num_features = 3;
    fault_ratchet(explain);
}

static struct lm_segments parts;
static enum lm_render_kind kind;
static const double weights[] = {0.5, -0.25, 0, 0.1, 0.2, -0.3};

static enum lm_status draw(struct lm_error *error)
{
    const struct lm_render_options options = {.kind = kind, .title = "a title"};
    struct lm_image image = {.width = 77};
    enum lm_status status =
        lm_render(&picture, parts.labels, weights, parts.count, &options, &image, error);
    if (status == LM_OK)
        lm_image_free(&image);
    else
        assert_true(image.width == 77 && !image.rgb);
    return status;
}

static enum lm_status draw_masked(struct lm_error *error)
{
    struct lm_image image = {.width = 77};
    enum lm_status status = lm_render_masked(&picture, &region, &image, error);
    if (status == LM_OK)
        lm_image_free(&image);
    else
        assert_true(image.width == 77 && !image.rgb);
    return status;
}

static void test_render(void **state)
{
    (void)state;
    const struct lm_segment_options grid = {.method = LM_SEGMENT_GRID, .rows = 2, .columns = 3};
    assert_int_equal(lm_segment(&picture, &grid, &parts, NULL), LM_OK);
    assert_int_equal(parts.count, 6);
    for (kind = LM_RENDER_OVERLAY; kind <= LM_RENDER_TOP; kind++)
        fault_ratchet(draw);
    lm_segments_free(&parts);
    assert_int_equal(lm_mask_create(picture.width, picture.height, &region, NULL), LM_OK);
    fault_ratchet(draw_masked);
    lm_mask_free(&region);
}

static int open_picture(void **state)
{
    (void)state;
    picture = fixture_ppm("half_chroma");
    return 0;
}

static int close_picture(void **state)
{
    (void)state;
    lm_image_free(&picture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode), cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_masks),  cmocka_unit_test(test_segments),
        cmocka_unit_test(test_lime),   cmocka_unit_test(test_render),
    };
    return cmocka_run_group_tests_name("image_memory", tests, open_picture, close_picture);
}
