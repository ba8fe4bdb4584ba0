/* Diverging colours: five anchors a map, interpolated in OKLab.
 *
 * OKLab (Ottosson 2020) makes equal steps of weight look like equal steps of colour.  Both ends of
 * a map have the same lightness, so that neither direction seems stronger; the centre is nearly
 * white.  The hues of the two ends stay apart under simulated protanopia, deuteranopia and
 * tritanopia.  Only +, *, / and sqrt are used, which IEEE 754 defines exactly, and not the C
 * library's pow and cbrt, which differ between versions: the same weight keeps its bytes.
 */
#include "render/colormap.h"

#include <assert.h>
#include <math.h>

struct oklab {
    double lightness, a, b;
};

enum { ANCHORS = 5 };

static const struct oklab anchors[][ANCHORS] = {
    [LM_COLORMAP_RED_BLUE] = {{0.49, 0.168, 0.078},
                              {0.74, 0.089, 0.080},
                              {0.97, 0, 0},
                              {0.74, -0.053, -0.085},
                              {0.49, -0.037, -0.150}},
    [LM_COLORMAP_PURPLE_GREEN] = {{0.47, 0.097, -0.139},
                                  {0.73, 0.062, -0.079},
                                  {0.97, 0, 0},
                                  {0.73, -0.094, 0.066},
                                  {0.47, -0.104, 0.060}},
    [LM_COLORMAP_BROWN_TEAL] = {{0.49, 0.047, 0.088},
                                {0.75, 0.022, 0.082},
                                {0.97, 0, 0},
                                {0.75, -0.084, -0.015},
                                {0.49, -0.076, -0.020}},
};

/* Newton's method from above, for x in 0..1. */
static double cube_root(double x)
{
    double root = 1;
    for (int i = 0; i < 40; i++)
        root = (2 * root + x / (root * root)) / 3;
    return root;
}

/* sRGB's transfer curve: x^(1/2.4) = x^(1/4) * x^(1/6). */
static uint8_t encode_channel(double linear)
{
    double x = linear < 0 ? 0 : linear > 1 ? 1 : linear;
    double encoded = 12.92 * x;
    if (x > 0.0031308)
        encoded = 1.055 * sqrt(sqrt(x)) * cube_root(sqrt(x)) - 0.055;
    return (uint8_t)(255 * encoded + 0.5);
}

static struct color oklab_to_srgb(struct oklab c)
{
    double l = c.lightness + 0.3963377774 * c.a + 0.2158037573 * c.b;
    double m = c.lightness - 0.1055613458 * c.a - 0.0638541728 * c.b;
    double s = c.lightness - 0.0894841775 * c.a - 1.2914855480 * c.b;
    l = l * l * l;
    m = m * m * m;
    s = s * s * s;
    return (struct color){
        encode_channel(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
        encode_channel(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
        encode_channel(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s),
    };
}

struct color colormap_color(enum lm_colormap map, double position)
{
    assert((size_t)map < sizeof anchors / sizeof anchors[0]);
    double clamped = position < -1 ? -1 : position > 1 ? 1 : position;
    double place = (clamped + 1) / 2 * (ANCHORS - 1);
    int below = place >= ANCHORS - 1 ? ANCHORS - 2 : (int)place;
    const struct oklab *from = &anchors[map][below], *to = from + 1;
    double t = place - below;
    return oklab_to_srgb((struct oklab){
        from->lightness + t * (to->lightness - from->lightness),
        from->a + t * (to->a - from->a),
        from->b + t * (to->b - from->b),
    });
}
