/* Pictures as values: creation, release, and the growing file that encoders write into. */
#include "layermask/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "image/image_room.h"

/* The same bound as for masks, so that every picture can have one. */
#define MAX_CREATED_PIXELS ((uint64_t)1 << 31)

enum lm_status lm_image_create(uint32_t width, uint32_t height, struct lm_image *out,
                               struct lm_error *error)
{
    uint64_t pixels = (uint64_t)width * height;
    if (pixels == 0)
        return lm_fail(error, LM_INVALID, "image size is %u x %u; a side is at least 1", width,
                       height);
    if (pixels > MAX_CREATED_PIXELS)
        return lm_fail(error, LM_LIMIT, "image is %u x %u pixels, above the limit of %llu pixels",
                       width, height, (unsigned long long)MAX_CREATED_PIXELS);
    uint8_t *rgb = array_zalloc((size_t)pixels, 3);
    if (!rgb)
        return lm_fail(error, LM_NOMEM, "out of memory for an image of %u x %u pixels", width,
                       height);
    *out = (struct lm_image){.width = width, .height = height, .rgb = rgb};
    return LM_OK;
}

void lm_image_free(struct lm_image *image)
{
    if (!image)
        return;
    free(image->rgb);
    *image = (struct lm_image){0};
}

bool image_bytes_append(struct image_bytes *file, const void *data, size_t size)
{
    size_t need;
    void *grown = file->data;
    if (!size_add(file->size, size, &need) || !array_grow(&grown, &file->capacity, need, 1))
        return false;
    file->data = grown;
    if (size)
        memcpy(file->data + file->size, data, size);
    file->size = need;
    return true;
}
