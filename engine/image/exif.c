/* Reads one thing from EXIF: which way up the picture was taken.
 *
 * EXIF is a TIFF structure that comes from anyone, so every offset and count is checked against
 * the bytes that are there, no loop is longer than they allow, and whatever is odd means "upright".
 * Only the first directory is looked at: later ones describe the thumbnail. */
#include <string.h>

#include "image/image_room.h"

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, TYPE_LONG = 4, ENTRY_BYTES = 12 };

struct tiff {
    const uint8_t *bytes;
    size_t size;
    bool big_endian;
};

/* The caller has checked that the bytes are there. */
static uint32_t read16(const struct tiff *tiff, size_t at)
{
    const uint8_t *b = tiff->bytes + at;
    return tiff->big_endian ? (uint32_t)b[0] << 8 | b[1] : (uint32_t)b[1] << 8 | b[0];
}

static uint32_t read32(const struct tiff *tiff, size_t at)
{
    uint32_t first = read16(tiff, at), second = read16(tiff, at + 2);
    return tiff->big_endian ? first << 16 | second : second << 16 | first;
}

static bool header_ok(struct tiff *tiff)
{
    if (tiff->size < 8)
        return false;
    if (memcmp(tiff->bytes, "MM", 2) == 0)
        tiff->big_endian = true;
    else if (memcmp(tiff->bytes, "II", 2) != 0)
        return false;
    return read16(tiff, 2) == 42;
}

static unsigned entry_value(const struct tiff *tiff, size_t entry)
{
    uint32_t type = read16(tiff, entry + 2), count = read32(tiff, entry + 4), value = 0;
    if (count == 1 && type == TYPE_SHORT)
        value = read16(tiff, entry + 8);
    else if (count == 1 && type == TYPE_LONG)
        value = read32(tiff, entry + 8);
    return value >= 1 && value <= 8 ? value : 1;
}

unsigned exif_orientation(const uint8_t *bytes, size_t size)
{
    struct tiff tiff = {.bytes = bytes, .size = size};
    if (!header_ok(&tiff))
        return 1;
    size_t directory = read32(&tiff, 4);
    if (directory > size - 2)
        return 1;
    size_t entries = read16(&tiff, directory), start = directory + 2;
    if (entries > (size - start) / ENTRY_BYTES)
        entries = (size - start) / ENTRY_BYTES;
    for (size_t i = 0; i < entries; i++)
        if (read16(&tiff, start + i * ENTRY_BYTES) == TAG_ORIENTATION)
            return entry_value(&tiff, start + i * ENTRY_BYTES);
    return 1;
}
