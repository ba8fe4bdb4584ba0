/* The orientation in EXIF: found in both byte orders, and never more than 1 to 8 or a byte beyond
 * the end from what a stranger wrote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "image/image_room.h"

static const uint8_t little[] = {
    'I',  'I',  42, 0, 8, 0, 0, 0, 2, 0,       /* header, 2 entries at 8 */
    0x03, 0x01, 3,  0, 1, 0, 0, 0, 6, 0, 0, 0, /* compression */
    0x12, 0x01, 3,  0, 1, 0, 0, 0, 6, 0, 0, 0, /* orientation at 22: 6 */
    0,    0,    0,  0,
};

static const uint8_t big[] = {
    'M',  'M',  0, 42, 0, 0, 0, 8, 0, 1,       /* header, 1 entry at 8 */
    0x01, 0x12, 0, 3,  0, 0, 0, 1, 0, 8, 0, 0, /* orientation at 10: 8 */
};

/* A copy that ends where it ends, with one byte changed. */
static unsigned orientation_with(const uint8_t *tiff, size_t size, size_t at, uint8_t value)
{
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, tiff, size);
    if (at < size)
        copy[at] = value;
    unsigned orientation = exif_orientation(copy, size);
    free(copy);
    return orientation;
}

static void test_both_orders(void **state)
{
    (void)state;
    assert_int_equal(exif_orientation(little, sizeof little), 6);
    assert_int_equal(exif_orientation(big, sizeof big), 8);
}

static void test_values(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 256; value++)
        assert_int_equal(orientation_with(little, sizeof little, 30, (uint8_t)value),
                         value >= 1 && value <= 8 ? value : 1);
}

static void test_types(void **state)
{
    (void)state;
    assert_int_equal(orientation_with(little, sizeof little, 24, 4), 6); /* LONG */
    assert_int_equal(orientation_with(little, sizeof little, 24, 2), 1); /* text */
    assert_int_equal(orientation_with(little, sizeof little, 26, 2), 1); /* two values */
}

static void test_damaged_header(void **state)
{
    (void)state;
    assert_int_equal(orientation_with(little, sizeof little, 0, 'J'), 1);
    assert_int_equal(orientation_with(little, sizeof little, 1, 'M'), 1);
    assert_int_equal(orientation_with(little, sizeof little, 2, 43), 1);
    assert_int_equal(orientation_with(little, sizeof little, 7, 0xff), 1);
    assert_int_equal(orientation_with(little, sizeof little, 22, 0x13), 1);
}

/* More entries than there are bytes: those that are there count. */
static void test_entries_beyond_the_end(void **state)
{
    (void)state;
    assert_int_equal(orientation_with(little, sizeof little, 9, 0xff), 6);
    assert_int_equal(orientation_with(big, sizeof big, 8, 0xff), 8);
}

static void test_prefixes(void **state)
{
    (void)state;
    for (size_t size = 0; size < 34; size++)
        assert_int_equal(orientation_with(little, size, SIZE_MAX, 0), 1);
    for (size_t size = 0; size < sizeof big; size++)
        assert_int_equal(orientation_with(big, size, SIZE_MAX, 0), 1);
}

static void test_any_byte_anywhere(void **state)
{
    (void)state;
    for (size_t at = 0; at < sizeof little; at++)
        for (unsigned value = 0; value < 256; value++)
            for (size_t size = 20; size <= sizeof little; size += 7)
                assert_in_range(orientation_with(little, size, at, (uint8_t)value), 1, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_orders),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_damaged_header),
        cmocka_unit_test(test_entries_beyond_the_end),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_any_byte_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
