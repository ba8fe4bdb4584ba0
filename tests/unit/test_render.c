/* Pictures of explanations: sizes, colours, boundaries, hatching, text, errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layermask/render.h"
#include "render/colormap.h"
#include "render/text.h"

/* A picture of one grey, with labels in vertical bands. */
struct subject {
    struct lm_image image;
    int32_t *labels;
};

static struct subject banded(uint32_t width, uint32_t height, uint32_t bands, uint8_t grey)
{
    struct subject s = {0};
    assert_int_equal(lm_image_create(width, height, &s.image, NULL), LM_OK);
    memset(s.image.rgb, grey, (size_t)3 * width * height);
    s.labels = calloc((size_t)width * height, sizeof *s.labels);
    assert_non_null(s.labels);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            s.labels[(size_t)y * width + x] = (int32_t)(x * bands / width);
    return s;
}

static void release(struct subject *s)
{
    lm_image_free(&s->image);
    free(s->labels);
}

static struct lm_image render(const struct subject *s, const double *weights, uint32_t n,
                              struct lm_render_options options)
{
    struct lm_image out = {0};
    struct lm_error error = {0};
    enum lm_status status = lm_render(&s->image, s->labels, weights, n, &options, &out, &error);
    if (status != LM_OK)
        fail_msg("%s", error.text);
    return out;
}

static void assert_color(struct color got, struct color wanted)
{
    assert_int_equal(got.r, wanted.r);
    assert_int_equal(got.g, wanted.g);
    assert_int_equal(got.b, wanted.b);
}

static bool same_color(struct color a, struct color b)
{
    return a.r == b.r && a.g == b.g && a.b == b.b;
}

static bool is_grey(struct color c)
{
    return c.r == c.g && c.g == c.b;
}

/* Pixels of a strip that are not white. */
static size_t ink_in(const struct lm_image *image, uint32_t top, uint32_t bottom)
{
    size_t count = 0;
    for (uint32_t y = top; y < bottom; y++)
        for (uint32_t x = 0; x < image->width; x++)
            count += !same_color(color_get(image, x, y), (struct color){255, 255, 255});
    return count;
}

static bool same_image(const struct lm_image *a, const struct lm_image *b)
{
    return a->width == b->width && a->height == b->height &&
           memcmp(a->rgb, b->rgb, (size_t)3 * a->width * a->height) == 0;
}

/* Expected: the anchors of colormap.c, interpolated and converted by numpy with pow(). */
static void test_colormap_golden(void **state)
{
    (void)state;
    static const struct {
        enum lm_colormap map;
        double position;
        int rgb[3];
    } cases[] = {
        {LM_COLORMAP_RED_BLUE, -1, {178, 24, 35}},
        {LM_COLORMAP_RED_BLUE, -0.6, {224, 124, 94}},
        {LM_COLORMAP_RED_BLUE, -0.3, {241, 185, 164}},
        {LM_COLORMAP_RED_BLUE, 0, {245, 245, 245}},
        {LM_COLORMAP_RED_BLUE, 0.2, {191, 219, 239}},
        {LM_COLORMAP_RED_BLUE, 0.5, {106, 180, 227}},
        {LM_COLORMAP_RED_BLUE, 0.85, {47, 120, 195}},
        {LM_COLORMAP_RED_BLUE, 1, {20, 94, 181}},
        {LM_COLORMAP_PURPLE_GREEN, -1, {114, 56, 165}},
        {LM_COLORMAP_PURPLE_GREEN, -0.3, {209, 188, 229}},
        {LM_COLORMAP_PURPLE_GREEN, 0, {245, 245, 245}},
        {LM_COLORMAP_PURPLE_GREEN, 0.2, {196, 222, 195}},
        {LM_COLORMAP_PURPLE_GREEN, 1, {20, 109, 52}},
        {LM_COLORMAP_BROWN_TEAL, -1, {136, 82, 25}},
        {LM_COLORMAP_BROWN_TEAL, -0.6, {192, 149, 95}},
        {LM_COLORMAP_BROWN_TEAL, 0, {245, 245, 245}},
        {LM_COLORMAP_BROWN_TEAL, 0.5, {104, 192, 186}},
        {LM_COLORMAP_BROWN_TEAL, 1, {19, 110, 110}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct color c = colormap_color(cases[i].map, cases[i].position);
        assert_in_range(abs(c.r - cases[i].rgb[0]), 0, 1);
        assert_in_range(abs(c.g - cases[i].rgb[1]), 0, 1);
        assert_in_range(abs(c.b - cases[i].rgb[2]), 0, 1);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        uint32_t width, height, wide, magnify;
    } cases[] = {{1, 1, 300, 300},  {32, 32, 320, 10},  {96, 96, 384, 4},    {224, 224, 448, 2},
                 {20, 70, 280, 5},  {300, 10, 1800, 6}, {10, 320, 280, 6},   {500, 333, 500, 1},
                 {300, 59, 600, 2}, {300, 60, 300, 1},  {1000, 20, 2000, 2}, {1001, 20, 1001, 1},
                 {2500, 1, 2500, 1}};
    static const double weights[] = {1, -1};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t width = cases[i].width, height = cases[i].height;
        struct subject s = banded(width, height, 1, 100);
        for (int kind = 0; kind <= LM_RENDER_TOP; kind++) {
            struct lm_render_options options = {.kind = (enum lm_render_kind)kind, .title = "t"};
            struct lm_image out = render(&s, weights, 2, options);
            assert_int_equal(out.width, cases[i].wide);
            assert_true(out.height > height * cases[i].magnify + 40);
            assert_true(out.height < height * cases[i].magnify + 100);
            lm_image_free(&out);
            options.no_legend = true;
            out = render(&s, weights, 2, options);
            assert_int_equal(out.width, width);
            assert_int_equal(out.height, height);
            lm_image_free(&out);
        }
        release(&s);
    }
}

/* A picture twice as wide has strips twice as high. */
static void test_text_grows(void **state)
{
    (void)state;
    struct subject small = banded(500, 400, 2, 90), large = banded(2000, 1600, 2, 90);
    static const double weights[] = {0.5, -0.25};
    struct lm_render_options options = {.title = "robin"};
    struct lm_image a = render(&small, weights, 2, options);
    struct lm_image b = render(&large, weights, 2, options);
    assert_int_equal(b.height - 1600, 4 * (a.height - 400));
    lm_image_free(&a);
    lm_image_free(&b);
    release(&small);
    release(&large);
}

static void test_title_strip(void **state)
{
    (void)state;
    struct subject s = banded(320, 300, 1, 100);
    static const double weights[] = {1};
    struct lm_image none = render(&s, weights, 1, (struct lm_render_options){0});
    struct lm_image empty = render(&s, weights, 1, (struct lm_render_options){.title = ""});
    struct lm_image titled = render(&s, weights, 1, (struct lm_render_options){.title = "wren"});
    assert_true(same_image(&none, &empty));
    uint32_t strip = titled.height - none.height;
    assert_true(strip >= FONT_HEIGHT);
    assert_true(ink_in(&titled, 0, strip) > 40);
    assert_true(ink_in(&titled, strip + 300, titled.height) > 1000);
    assert_memory_equal(none.rgb, titled.rgb + (size_t)3 * 320 * strip,
                        (size_t)3 * 320 * none.height);
    lm_image_free(&none);
    lm_image_free(&empty);
    lm_image_free(&titled);
    release(&s);
}

/* At alpha 1 the strongest segments have exactly the ends of the map, whatever the picture. */
static void test_symmetric_ends(void **state)
{
    (void)state;
    struct subject s = banded(40, 20, 2, 37);
    static const double weights[] = {0.125, -0.125};
    for (int map = 0; map <= LM_COLORMAP_BROWN_TEAL; map++) {
        for (int kind = 0; kind <= LM_RENDER_HEATMAP; kind++) {
            struct lm_render_options options = {.kind = (enum lm_render_kind)kind,
                                                .colormap = (enum lm_colormap)map,
                                                .alpha = 1,
                                                .no_legend = true};
            struct lm_image out = render(&s, weights, 2, options);
            assert_color(color_get(&out, 5, 5), colormap_color(options.colormap, 1));
            assert_color(color_get(&out, 35, 5), colormap_color(options.colormap, -1));
            lm_image_free(&out);
        }
    }
    release(&s);
}

/* The scale comes from the largest absolute weight: one sign alone does not shift it. */
static void test_scale_is_symmetric(void **state)
{
    (void)state;
    struct subject s = banded(30, 10, 3, 128);
    static const double weights[] = {2, 1, 0};
    struct lm_render_options options = {.kind = LM_RENDER_HEATMAP, .no_legend = true};
    struct lm_image out = render(&s, weights, 3, options);
    assert_color(color_get(&out, 2, 2), colormap_color(LM_COLORMAP_RED_BLUE, 1));
    assert_color(color_get(&out, 12, 2), colormap_color(LM_COLORMAP_RED_BLUE, 0.5));
    assert_color(color_get(&out, 22, 2), colormap_color(LM_COLORMAP_RED_BLUE, 0));
    lm_image_free(&out);
    release(&s);
}

static void test_zero_weights_are_neutral(void **state)
{
    (void)state;
    struct subject s = banded(320, 300, 3, 200);
    for (size_t i = 0; i < (size_t)320 * 300; i++)
        s.image.rgb[3 * i] = (uint8_t)(i % 251);
    static const double zero[3] = {0, -0.0, 0};
    struct lm_image overlay =
        render(&s, zero, 3, (struct lm_render_options){.kind = LM_RENDER_OVERLAY});
    for (uint32_t x = 1; x < 100; x++)
        assert_true(is_grey(color_get(&overlay, x, 150)));
    struct lm_image heatmap =
        render(&s, zero, 3, (struct lm_render_options){.kind = LM_RENDER_HEATMAP});
    for (uint32_t x = 0; x < 320; x++)
        assert_color(color_get(&heatmap, x, 150), (struct color){245, 245, 245});
    lm_image_free(&overlay);
    lm_image_free(&heatmap);
    release(&s);
}

/* Stronger alpha, more colour; 0 means the default 0.6. */
static void test_alpha(void **state)
{
    (void)state;
    struct subject s = banded(20, 20, 1, 128);
    static const double weights[] = {1};
    static const double alphas[] = {0.01, 0.3, 0.6, 1};
    int last = -1;
    for (size_t i = 0; i < 4; i++) {
        struct lm_render_options options = {.alpha = alphas[i], .no_legend = true};
        struct lm_image out = render(&s, weights, 1, options);
        struct color c = color_get(&out, 10, 10);
        assert_true(c.b - c.r > last);
        last = c.b - c.r;
        options.alpha = 0;
        struct lm_image plain = render(&s, weights, 1, options);
        assert_int_equal(same_image(&out, &plain), alphas[i] == 0.6);
        lm_image_free(&plain);
        lm_image_free(&out);
    }
    release(&s);
}

/* Small pictures have lines without a halo: a pixel changes exactly when its right or lower
 * neighbour is of another segment. */
static void test_boundaries_exact(void **state)
{
    (void)state;
    struct subject s = banded(48, 40, 1, 128);
    for (uint32_t y = 0; y < 40; y++)
        for (uint32_t x = 0; x < 48; x++)
            s.labels[y * 48 + x] = (int32_t)((x * x / 61 + y * y / 47 + x * y / 97) % 5);
    struct lm_render_options options = {.kind = LM_RENDER_BOUNDARIES, .no_legend = true};
    struct lm_image out = render(&s, NULL, 5, options);
    for (uint32_t y = 0; y < 40; y++) {
        for (uint32_t x = 0; x < 48; x++) {
            int32_t here = s.labels[y * 48 + x];
            bool edge = (x < 47 && s.labels[y * 48 + x + 1] != here) ||
                        (y < 39 && s.labels[(y + 1) * 48 + x] != here);
            struct color c = color_get(&out, x, y);
            if (edge)
                assert_true(c.r < 64 && c.g < 64 && c.b < 64);
            else
                assert_color(c, (struct color){128, 128, 128});
        }
    }
    lm_image_free(&out);
    release(&s);
}

/* Dark line, light halo at both sides, nothing beyond; on black and on white one of them shows. */
static void test_boundary_halo(void **state)
{
    (void)state;
    static const uint8_t greys[] = {0, 128, 255};
    for (size_t i = 0; i < 3; i++) {
        struct subject s = banded(200, 150, 2, greys[i]);
        struct lm_render_options options = {.kind = LM_RENDER_BOUNDARIES, .no_legend = true};
        struct lm_image out = render(&s, NULL, 2, options);
        uint8_t line = color_get(&out, 99, 70).r, left = color_get(&out, 98, 70).r,
                right = color_get(&out, 100, 70).r;
        assert_true(line < 64);
        assert_int_equal(left, right);
        assert_true(left - line > 60);
        assert_int_equal(color_get(&out, 97, 70).r, greys[i]);
        assert_int_equal(color_get(&out, 101, 70).r, greys[i]);
        lm_image_free(&out);
        release(&s);
    }
}

/* An overlay that would be nothing but lines keeps its colours; a drawing of boundaries does not.
 */
static void test_crowded_lines_are_faint(void **state)
{
    (void)state;
    static const double weights[150] = {0};
    struct subject s = banded(300, 300, 150, 200);
    for (int32_t segments = 2; segments <= 150; segments += 148)
        for (int kind = LM_RENDER_OVERLAY; kind <= LM_RENDER_BOUNDARIES; kind += 2) {
            for (size_t i = 0; i < (size_t)300 * 300; i++)
                s.labels[i] = (int32_t)(i % 300) * segments / 300;
            struct lm_render_options options = {.kind = (enum lm_render_kind)kind,
                                                .no_legend = true};
            struct lm_image out = render(&s, weights, (uint32_t)segments, options);
            bool faint = segments > 2 && kind == LM_RENDER_OVERLAY;
            assert_int_equal(color_get(&out, 149, 150).r > 120, faint);
            lm_image_free(&out);
        }
    release(&s);
}

/* Lines of large pictures are thicker, and lie around the change of labels. */
static void test_boundary_thickness(void **state)
{
    (void)state;
    struct subject s = banded(3000, 1600, 2, 128);
    struct lm_render_options options = {.kind = LM_RENDER_BOUNDARIES, .no_legend = true};
    struct lm_image out = render(&s, NULL, 2, options);
    for (uint32_t x = 1400; x < 1600; x++) {
        uint8_t grey = color_get(&out, x, 800).r;
        uint32_t away = x > 1499 ? x - 1499 : 1499 - x;
        if (away <= 2)
            assert_true(grey < 64);
        else if (away <= 4)
            assert_true(grey > 140);
        else
            assert_int_equal(grey, 128);
    }
    lm_image_free(&out);
    release(&s);
}

/* The magnified picture is nearest neighbour, with boundaries where its blocks meet. */
static void test_magnified(void **state)
{
    (void)state;
    struct subject s = banded(32, 32, 2, 128);
    struct lm_render_options options = {.kind = LM_RENDER_BOUNDARIES};
    struct lm_image out = render(&s, NULL, 2, options);
    for (uint32_t x = 0; x < 320; x++)
        assert_int_equal(color_get(&out, x, 100).r < 64, x == 159);
    lm_image_free(&out);
    release(&s);
}

static void test_unseen_is_hatched(void **state)
{
    (void)state;
    struct subject s = banded(400, 320, 2, 60);
    for (size_t i = 0; i < (size_t)400 * 320; i++)
        s.image.rgb[3 * i] = 220;
    for (uint32_t y = 0; y < 320; y++)
        for (uint32_t x = 0; x < 100; x++)
            s.labels[y * 400 + x] = x < 50 ? -1 : INT32_MIN;
    static const double weights[] = {1, -1};
    uint32_t plain_height = 0;
    for (int kind = 0; kind <= LM_RENDER_TOP; kind++) {
        struct lm_image out =
            render(&s, weights, 2, (struct lm_render_options){.kind = (enum lm_render_kind)kind});
        bool light = false, dark = false;
        for (uint32_t y = 1; y < 320; y++)
            for (uint32_t x = 0; x < 95; x++) {
                struct color c = color_get(&out, x, y);
                assert_true(is_grey(c));
                assert_color(c, color_get(&out, x + 1, y - 1));
                light |= c.r > 180;
                dark |= c.r < 180;
            }
        assert_true(light && dark);
        plain_height = out.height;
        lm_image_free(&out);
    }
    /* The legend explains the hatching: without unseen pixels it is lower. */
    for (size_t i = 0; i < (size_t)400 * 320; i++)
        s.labels[i] = s.labels[i] < 0 ? 0 : s.labels[i];
    struct lm_image out = render(&s, weights, 2, (struct lm_render_options){.kind = LM_RENDER_TOP});
    assert_true(out.height < plain_height);
    lm_image_free(&out);
    release(&s);
}

static void test_all_unseen(void **state)
{
    (void)state;
    struct subject s = banded(30, 30, 1, 60);
    for (size_t i = 0; i < 900; i++)
        s.labels[i] = -1;
    for (int kind = 0; kind <= LM_RENDER_TOP; kind++) {
        static const double none[1];
        struct lm_image out =
            render(&s, none, 0, (struct lm_render_options){.kind = (enum lm_render_kind)kind});
        assert_true(is_grey(color_get(&out, 10, 10)));
        lm_image_free(&out);
    }
    release(&s);
}

static bool band_shown(const struct lm_image *out, uint32_t band)
{
    struct color c = color_get(out, band * 10 + 5, 5);
    bool kept = same_color(c, (struct color){200, 60, 60});
    assert_true(kept || is_grey(c));
    return kept;
}

static void test_top(void **state)
{
    (void)state;
    struct subject s = banded(60, 20, 6, 60);
    for (size_t i = 0; i < (size_t)60 * 20; i++)
        s.image.rgb[3 * i] = 200;
    static const double weights[] = {0.1, -5, 0.3, 0.2, 0.2, 0};
    static const struct {
        uint32_t top;
        bool shown[6];
    } cases[] = {{1, {0, 0, 1, 0, 0, 0}},
                 {2, {0, 0, 1, 1, 0, 0}}, /* a tie: the lower segment */
                 {4, {1, 0, 1, 1, 1, 0}},
                 {0, {1, 0, 1, 1, 1, 0}}, /* default 5, but only 4 are positive */
                 {UINT32_MAX, {1, 0, 1, 1, 1, 0}}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lm_image out =
            render(&s, weights, 6,
                   (struct lm_render_options){
                       .kind = LM_RENDER_TOP, .top_segments = cases[i].top, .no_legend = true});
        for (uint32_t band = 0; band < 6; band++)
            assert_int_equal(band_shown(&out, band), cases[i].shown[band]);
        lm_image_free(&out);
    }
    release(&s);
}

static void test_top_without_support(void **state)
{
    (void)state;
    struct subject s = banded(320, 300, 2, 60);
    memset(s.image.rgb, 200, 3000);
    static const double weights[] = {-1, 0}, others[] = {1, 0};
    struct lm_render_options options = {.kind = LM_RENDER_TOP};
    struct lm_image none = render(&s, weights, 2, options), one = render(&s, others, 2, options);
    for (uint32_t y = 0; y < 300; y++)
        for (uint32_t x = 0; x < 320; x++)
            assert_true(is_grey(color_get(&none, x, y)));
    assert_true(ink_in(&none, 300, none.height) > 100);
    assert_true(one.height > none.height); /* it has a line with the weights */
    lm_image_free(&none);
    lm_image_free(&one);
    release(&s);
}

static void test_deterministic(void **state)
{
    (void)state;
    struct subject s = banded(130, 140, 5, 77);
    static const double weights[] = {0.3, -0.1, 1e-9, 0, -0.7};
    for (int kind = 0; kind <= LM_RENDER_TOP; kind++) {
        struct lm_render_options options = {.kind = (enum lm_render_kind)kind, .title = "again"};
        struct lm_image a = render(&s, weights, 5, options), b = render(&s, weights, 5, options);
        assert_true(same_image(&a, &b));
        lm_image_free(&a);
        lm_image_free(&b);
    }
    release(&s);
}

static void test_default_options(void **state)
{
    (void)state;
    struct subject s = banded(50, 50, 2, 77);
    static const double weights[] = {0.3, -0.1};
    struct lm_image a = {0}, b = render(&s, weights, 2, (struct lm_render_options){0});
    assert_int_equal(lm_render(&s.image, s.labels, weights, 2, NULL, &a, NULL), LM_OK);
    assert_true(same_image(&a, &b));
    lm_image_free(&a);
    lm_image_free(&b);
    release(&s);
}

static void expect_error(const struct lm_image *image, const int32_t *labels, const double *weights,
                         struct lm_render_options options, enum lm_status status, const char *text)
{
    struct lm_image out = {7, 9, NULL};
    struct lm_error error = {0};
    assert_int_equal(lm_render(image, labels, weights, 2, &options, &out, &error), status);
    assert_string_equal(error.text, text);
    assert_int_equal(error.status, status);
    assert_int_equal(out.width, 7);
    assert_int_equal(out.height, 9);
    assert_null(out.rgb);
}

static void test_errors(void **state)
{
    (void)state;
    struct subject s = banded(10, 10, 2, 77);
    double weights[] = {0.3, -0.1};
    const struct lm_render_options plain = {0};
    expect_error(NULL, s.labels, weights, plain, LM_INVALID, "image: empty");
    expect_error(&(struct lm_image){0}, s.labels, weights, plain, LM_INVALID, "image: empty");
    expect_error(&s.image, NULL, weights, plain, LM_INVALID, "labels: missing");
    expect_error(&s.image, s.labels, NULL, plain, LM_INVALID, "weights: missing");
    expect_error(&s.image, s.labels, weights, (struct lm_render_options){.alpha = 1.5}, LM_INVALID,
                 "alpha: 1.5 is not in 0..1");
    expect_error(&s.image, s.labels, weights, (struct lm_render_options){.alpha = -0.5}, LM_INVALID,
                 "alpha: -0.5 is not in 0..1");
    expect_error(&s.image, s.labels, weights, (struct lm_render_options){.alpha = NAN}, LM_INVALID,
                 "alpha: nan is not in 0..1");
    expect_error(&s.image, s.labels, weights,
                 (struct lm_render_options){.kind = (enum lm_render_kind)4}, LM_INVALID,
                 "kind: 4 is none of 0..3");
    expect_error(&s.image, s.labels, weights,
                 (struct lm_render_options){.colormap = (enum lm_colormap)3}, LM_INVALID,
                 "colormap: 3 is none of 0..2");
    weights[1] = NAN;
    expect_error(&s.image, s.labels, weights, plain, LM_INVALID,
                 "weights[1]: nan is not a finite number");
    weights[1] = -INFINITY;
    expect_error(&s.image, s.labels, weights,
                 (struct lm_render_options){.kind = LM_RENDER_BOUNDARIES}, LM_INVALID,
                 "weights[1]: -inf is not a finite number");
    weights[1] = 1;
    s.labels[23] = 2;
    expect_error(&s.image, s.labels, weights, plain, LM_INVALID,
                 "labels: 2 at (3, 2) is not below the 2 segments");
    release(&s);
}

static void test_limits(void **state)
{
    (void)state;
    uint8_t pixel[3] = {0};
    int32_t label = 0;
    double weights[] = {1, 2};
    struct lm_image huge = {1u << 31, 1u << 31, pixel};
    expect_error(&huge, &label, weights, (struct lm_render_options){0}, LM_LIMIT,
                 "image: 2147483648 x 2147483648 pixels are more than 268435456");
    struct subject thin = banded(1, 1u << 20, 1, 0);
    expect_error(&thin.image, thin.labels, weights, (struct lm_render_options){0}, LM_LIMIT,
                 "picture: 280 x 1048621 pixels are more than 268435456");
    struct lm_image out = render(&thin, weights, 1, (struct lm_render_options){.no_legend = true});
    lm_image_free(&out);
    release(&thin);
}

/* Weights at the ends of what a double holds. */
static void test_extreme_weights(void **state)
{
    (void)state;
    struct subject s = banded(40, 40, 2, 77);
    static const double weights[][2] = {
        {1.7976931348623157e308, -1.7976931348623157e308}, {5e-324, -5e-324}, {1e300, 1e-300}};
    for (size_t i = 0; i < 3; i++) {
        struct lm_render_options options = {.kind = LM_RENDER_HEATMAP};
        struct lm_image out = render(&s, weights[i], 2, options);
        assert_color(color_get(&out, 10, 10), colormap_color(LM_COLORMAP_RED_BLUE, 1));
        lm_image_free(&out);
    }
    release(&s);
}

static void test_odd_titles(void **state)
{
    (void)state;
    struct subject s = banded(40, 40, 2, 77);
    static const double weights[] = {1, -1};
    char *endless = malloc(1 << 20);
    assert_non_null(endless);
    memset(endless, 'W', (1 << 20) - 1);
    endless[(1 << 20) - 1] = '\0';
    char *tail = endless + (1 << 20) - 300; /* a colon, after a long name and before another */
    tail[0] = ':';
    const char *titles[] = {endless,    tail - 10, "\x01\x02\n", "\xf0\x9f\x90\xa6",
                            "\xff\xff", ":",       " ",          "i"};
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) {
        struct lm_image out =
            render(&s, weights, 2, (struct lm_render_options){.title = titles[i]});
        assert_int_equal(out.width, 320);
        lm_image_free(&out);
    }
    free(endless);
    release(&s);
}

/* What a title says after its last colon, the number, survives when there is no room for all. */
static void test_long_titles_keep_their_number(void **state)
{
    (void)state;
    static const double weights[] = {1, -1};
    struct subject s = banded(320, 300, 1, 100);
    char name[200], titles[3][220];
    memset(name, 'n', sizeof name);
    snprintf(titles[0], sizeof titles[0], "%.60s: 11.1 %%", name);
    snprintf(titles[1], sizeof titles[1], "%.60s: 77.7 %%", name);
    snprintf(titles[2], sizeof titles[2], "%.199s: 11.1 %%", name);
    struct lm_image out[3];
    for (size_t i = 0; i < 3; i++)
        out[i] = render(&s, weights, 2, (struct lm_render_options){.title = titles[i]});
    uint32_t strip = out[0].height - 300;
    assert_int_equal(memcmp(out[0].rgb, out[2].rgb, (size_t)3 * 320 * 20), 0);
    bool differ = false;
    for (uint32_t y = 0; y < 20 && y < strip; y++)
        for (uint32_t x = 0; x < 320; x++) {
            bool same = same_color(color_get(&out[0], x, y), color_get(&out[1], x, y));
            assert_true(same || x > 230);
            differ |= !same;
            if (x < 8 || x >= 312) /* the margins stay empty */
                assert_int_equal(color_get(&out[0], x, y).r, 255);
        }
    assert_true(differ);
    for (size_t i = 0; i < 3; i++)
        lm_image_free(&out[i]);
    release(&s);
}

static void test_masked(void **state)
{
    (void)state;
    struct subject s = banded(70, 30, 1, 0);
    for (size_t i = 0; i < (size_t)70 * 30; i++)
        s.image.rgb[3 * i] = 250;
    uint64_t bits[60] = {0};
    struct lm_mask mask = {70, 30, 2, bits};
    for (uint32_t y = 10; y < 30; y++)
        for (uint32_t x = 0; x < 65; x++)
            lm_mask_set(&mask, x, y);
    struct lm_image out = {0};
    assert_int_equal(lm_render_masked(&s.image, &mask, &out, NULL), LM_OK);
    assert_int_equal(out.width, 70);
    assert_int_equal(out.height, 30);
    for (uint32_t y = 0; y < 30; y++) {
        for (uint32_t x = 0; x < 70; x++) {
            struct color c = color_get(&out, x, y);
            if (y >= 10 && x < 65)
                assert_color(c, (struct color){250, 0, 0});
            else
                assert_int_equal(c.r, (x / 4 + y / 4) % 2 ? 205 : 238);
        }
    }
    lm_image_free(&out);
    release(&s);
}

static void test_masked_errors(void **state)
{
    (void)state;
    struct subject s = banded(70, 30, 1, 0);
    uint64_t bits[60] = {0};
    struct lm_mask mask = {64, 30, 1, bits};
    struct lm_image out = {0};
    struct lm_error error = {0};
    assert_int_equal(lm_render_masked(&s.image, &mask, &out, &error), LM_INVALID);
    assert_string_equal(error.text, "visible: 64 x 30 is not the picture's size 70 x 30");
    assert_int_equal(lm_render_masked(&s.image, NULL, &out, NULL), LM_INVALID);
    assert_int_equal(lm_render_masked(&(struct lm_image){0}, &mask, &out, NULL), LM_INVALID);
    assert_null(out.rgb);
    release(&s);
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 16;
}

/* Anything goes, as far as the sanitizers can see. */
static void test_random_scenes(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int round = 0; round < 120; round++) {
        uint32_t width = 1 + next_random(&seed) % (round % 10 ? 40 : 900);
        uint32_t height = 1 + next_random(&seed) % 40, n = 1 + next_random(&seed) % 9;
        struct subject s = banded(width, height, 1, (uint8_t)next_random(&seed));
        double weights[9];
        for (uint32_t i = 0; i < n; i++)
            weights[i] = ((double)next_random(&seed) - 32768) / 1e5;
        for (size_t i = 0; i < (size_t)width * height; i++)
            s.labels[i] = (int32_t)(next_random(&seed) % (n + 1)) - 1;
        struct lm_render_options options = {.kind = (enum lm_render_kind)(round % 4),
                                            .colormap = (enum lm_colormap)(round % 3),
                                            .top_segments = next_random(&seed) % 5,
                                            .title = round % 5 ? "title of some length" : NULL,
                                            .no_legend = round % 7 == 0};
        struct lm_image out = render(&s, weights, n, options);
        lm_image_free(&out);
        release(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_colormap_golden),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_text_grows),
        cmocka_unit_test(test_title_strip),
        cmocka_unit_test(test_symmetric_ends),
        cmocka_unit_test(test_scale_is_symmetric),
        cmocka_unit_test(test_zero_weights_are_neutral),
        cmocka_unit_test(test_alpha),
        cmocka_unit_test(test_boundaries_exact),
        cmocka_unit_test(test_boundary_halo),
        cmocka_unit_test(test_boundary_thickness),
        cmocka_unit_test(test_crowded_lines_are_faint),
        cmocka_unit_test(test_magnified),
        cmocka_unit_test(test_unseen_is_hatched),
        cmocka_unit_test(test_all_unseen),
        cmocka_unit_test(test_top),
        cmocka_unit_test(test_top_without_support),
        cmocka_unit_test(test_deterministic),
        cmocka_unit_test(test_default_options),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_extreme_weights),
        cmocka_unit_test(test_odd_titles),
        cmocka_unit_test(test_long_titles_keep_their_number),
        cmocka_unit_test(test_masked),
        cmocka_unit_test(test_masked_errors),
        cmocka_unit_test(test_random_scenes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
