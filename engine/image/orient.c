/* Turns a stored picture upright.
 *
 * Each of the eight orientations is a walk over the stored pixels with a constant step per output
 * column and per output row, so one loop does them all; it costs a second picture's memory. */
#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "image/image_room.h"

/* Where output pixel (0, 0) comes from, and how far the next one to the right or below is, all in
 * stored pixels. */
struct walk {
    ptrdiff_t start, right, down;
};

static struct walk walk_of(const struct lm_image *stored, unsigned orientation)
{
    ptrdiff_t row = (ptrdiff_t)stored->width;
    ptrdiff_t last_x = row - 1, last_row = row * ((ptrdiff_t)stored->height - 1);
    switch (orientation) {
    case 2: return (struct walk){last_x, -1, row};
    case 3: return (struct walk){last_row + last_x, -1, -row};
    case 4: return (struct walk){last_row, 1, -row};
    case 5: return (struct walk){0, row, 1};
    case 6: return (struct walk){last_row, -row, 1};
    case 7: return (struct walk){last_row + last_x, -row, -1};
    case 8: return (struct walk){last_x, row, -1};
    default: return (struct walk){0, 1, row};
    }
}

static void copy_walk(const struct lm_image *stored, struct walk walk, struct lm_image *upright)
{
    uint8_t *to = upright->rgb;
    for (uint32_t y = 0; y < upright->height; y++) {
        ptrdiff_t pixel = walk.start + (ptrdiff_t)y * walk.down;
        for (uint32_t x = 0; x < upright->width; x++, to += 3, pixel += walk.right) {
            const uint8_t *from = stored->rgb + 3 * pixel;
            to[0] = from[0];
            to[1] = from[1];
            to[2] = from[2];
        }
    }
}

enum lm_status image_turn_upright(struct lm_image *image, unsigned orientation,
                                  struct lm_error *error)
{
    assert(orientation >= 1 && orientation <= 8);
    if (orientation == 1)
        return LM_OK;
    bool sideways = orientation >= 5;
    struct lm_image upright = {0};
    enum lm_status status =
        lm_image_create(sideways ? image->height : image->width,
                        sideways ? image->width : image->height, &upright, error);
    if (status != LM_OK)
        return status;
    copy_walk(image, walk_of(image, orientation), &upright);
    lm_image_free(image);
    *image = upright;
    return LM_OK;
}
