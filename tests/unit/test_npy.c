/* .npy files: what NumPy writes, and what it never would.  The headers are those of numpy.save in
 * NumPy 1.24. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/npy.h"

/* A file under construction. */
struct bytes {
    uint8_t data[512];
    size_t size;
};

static void put(struct bytes *file, const void *data, size_t size)
{
    assert_true(file->size + size <= sizeof file->data);
    memcpy(file->data + file->size, data, size);
    file->size += size;
}

/* Magic, version, length of the header, the header. */
static struct bytes begin(uint8_t version, const char *header)
{
    struct bytes file = {0};
    size_t length = strlen(header);
    const uint8_t front[] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', version, 0, (uint8_t)length, (uint8_t)(length >> 8), 0, 0};
    put(&file, front, version == 1 ? 10 : 12);
    put(&file, header, length);
    return file;
}

static void expect_error(const struct bytes *file, enum lm_status status, const char *text)
{
    struct npy array = {.count = 77};
    struct lm_error error = {0};
    assert_int_equal(npy_parse(file->data, file->size, "x.npy", &array, &error), status);
    assert_string_equal(error.text, text);
    assert_int_equal(array.count, 77);
    assert_null(array.data);
}

static void expect_header_error(const char *header, enum lm_status status, const char *text)
{
    struct bytes file = begin(1, header);
    expect_error(&file, status, text);
}

static void reads_float32(void **state)
{
    (void)state;
    const float values[6] = {0, 1.5f, -2, 3e38f, 1e-40f, 6};
    struct bytes file =
        begin(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3), }          \n");
    put(&file, values, sizeof values);
    struct npy array = {0};
    assert_int_equal(npy_parse(file.data, file.size, "x.npy", &array, NULL), LM_OK);
    assert_int_equal(array.dimensions, 3);
    assert_int_equal(array.shape[0], 1);
    assert_int_equal(array.shape[1], 2);
    assert_int_equal(array.shape[2], 3);
    assert_int_equal(array.count, 6);
    assert_memory_equal(array.data, values, sizeof values);
    npy_free(&array);
    assert_null(array.data);
}

static void reads_other_types_and_version_2(void **state)
{
    (void)state;
    const double wide[2] = {0.1, -7};
    const uint8_t small[3] = {0, 255, 1};
    struct npy array = {0};
    struct bytes file = begin(2, "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n");
    put(&file, wide, sizeof wide);
    assert_int_equal(npy_parse(file.data, file.size, "x.npy", &array, NULL), LM_OK);
    assert_true(array.data[0] == 0.1f && array.data[1] == -7.0f);
    npy_free(&array);

    file = begin(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }\n");
    put(&file, small, 3);
    assert_int_equal(npy_parse(file.data, file.size, "x.npy", &array, NULL), LM_OK);
    assert_true(array.data[1] == 255.0f);
    npy_free(&array);

    file = begin(1, "{'shape':(1,1),'fortran_order':False,'descr':'|b1'}");
    put(&file, small + 2, 1);
    assert_int_equal(npy_parse(file.data, file.size, "x.npy", &array, NULL), LM_OK);
    assert_true(array.dimensions == 2 && array.data[0] == 1.0f);
    npy_free(&array);
}

static void reads_scalars_and_empty_arrays(void **state)
{
    (void)state;
    const float one = 1;
    struct npy array = {0};
    struct bytes file = begin(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }\n");
    put(&file, &one, sizeof one);
    assert_int_equal(npy_parse(file.data, file.size, "x.npy", &array, NULL), LM_OK);
    assert_true(array.dimensions == 0 && array.count == 1);
    npy_free(&array);
    file = begin(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 5), }\n");
    assert_int_equal(npy_parse(file.data, file.size, "x.npy", &array, NULL), LM_OK);
    assert_int_equal(array.count, 0);
    npy_free(&array);
}

static void refuses_what_it_does_not_read(void **state)
{
    (void)state;
    expect_header_error("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", LM_UNSUPPORTED,
                        "x.npy: elements of type '>f4' are not read, only float32 '<f4', float64 "
                        "'<f8', uint8 '|u1' and bool '|b1'");
    expect_header_error("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }",
                        LM_UNSUPPORTED,
                        "x.npy: Fortran order is not read; save numpy.ascontiguousarray(x)");
    expect_header_error("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }",
                        LM_UNSUPPORTED,
                        "x.npy: structured arrays are not read, only float32, float64, uint8 and "
                        "bool");
    struct bytes file = begin(3, "{}");
    expect_error(&file, LM_UNSUPPORTED, "x.npy: .npy version 3 is not read, only 1 and 2");
}

static void refuses_huge_shapes(void **state)
{
    (void)state;
    expect_header_error("{'descr': '<f4', 'fortran_order': False, 'shape': (65536, 65536), }",
                        LM_LIMIT, "x.npy: more than 1073741824 elements");
    expect_header_error(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775808, 4), }", LM_LIMIT,
        "x.npy: more than 1073741824 elements");
    expect_header_error("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }",
                        LM_LIMIT, "x.npy: more than 8 dimensions");
    expect_header_error(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", LM_CORRUPT,
        "x.npy: not a valid .npy file: a length in the shape is no number");
}

static void refuses_broken_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header, *reason;
    } cases[] = {
        {"", "the header is no dictionary"},
        {"{", "the header is no dictionary"},
        {"{'descr'", "the header is no dictionary"},
        {"{'descr: '<f4'}", "the header is no dictionary"},
        {"{'descr': '<f4'}", "the header lacks descr, fortran_order or shape"},
        {"{'descr': '<f4' 'shape': ()}", "the header is no dictionary"},
        {"{'fortran_order': 0}", "fortran_order is no bool"},
        {"{'shape': 3}", "the shape is no tuple"},
        {"{'shape': (3", "the shape is no tuple"},
        {"{'shape': (-1,)}", "a length in the shape is no number"},
        {"{'shape': (), 'shape': ()}", "an unknown or repeated key in the header"},
        {"{'surprise': 1}", "an unknown or repeated key in the header"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "x.npy: not a valid .npy file: %s", cases[i].reason);
        expect_header_error(cases[i].header, LM_CORRUPT, text);
    }
}

static void refuses_wrong_sizes(void **state)
{
    (void)state;
    const float values[4] = {0};
    struct bytes file = begin(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }");
    put(&file, values, 8);
    expect_error(&file, LM_CORRUPT,
                 "x.npy: not a valid .npy file: 8 bytes of numbers, its shape needs 12");
    put(&file, values, 5);
    expect_error(&file, LM_CORRUPT,
                 "x.npy: not a valid .npy file: 13 bytes of numbers, its shape needs 12");
    file.size = 9;
    expect_error(&file, LM_CORRUPT,
                 "x.npy: not a valid .npy file: it does not begin with \\x93NUMPY");
    file.size = 20;
    expect_error(&file, LM_CORRUPT, "x.npy: not a valid .npy file: the header is cut short");
    file = begin(2, "");
    file.size = 11;
    expect_error(&file, LM_CORRUPT, "x.npy: not a valid .npy file: the header is cut short");
}

/* Cut anywhere, with any byte changed: an error or an array, never a crash. */
static void survives_any_damage(void **state)
{
    (void)state;
    const float values[2] = {1, 2};
    struct bytes whole = begin(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n");
    put(&whole, values, sizeof values);
    for (size_t cut = 0; cut < whole.size; cut++) {
        struct npy array = {0};
        assert_int_not_equal(npy_parse(whole.data, cut, "x.npy", &array, NULL), LM_OK);
    }
    for (size_t at = 0; at < whole.size; at++) {
        for (int value = 0; value < 256; value += 5) {
            struct bytes damaged = whole;
            struct npy array = {0};
            damaged.data[at] = (uint8_t)value;
            npy_parse(damaged.data, damaged.size, "x.npy", &array, NULL);
            npy_free(&array);
        }
    }
}

static void names_a_file_that_is_not_there(void **state)
{
    (void)state;
    struct npy array = {0};
    struct lm_error error = {0};
    assert_int_equal(npy_read("/nowhere/x.npy", &array, &error), LM_IO);
    assert_string_equal(error.text, "/nowhere/x.npy: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_float32),
        cmocka_unit_test(reads_other_types_and_version_2),
        cmocka_unit_test(reads_scalars_and_empty_arrays),
        cmocka_unit_test(refuses_what_it_does_not_read),
        cmocka_unit_test(refuses_huge_shapes),
        cmocka_unit_test(refuses_broken_headers),
        cmocka_unit_test(refuses_wrong_sizes),
        cmocka_unit_test(survives_any_damage),
        cmocka_unit_test(names_a_file_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
