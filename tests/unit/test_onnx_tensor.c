/* onnx_read: numbers of tensors, typed, raw and in other files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <sys/stat.h>

#include "onnx_build.h"

enum {
    FLOAT = 1,
    UINT8,
    INT8,
    UINT16,
    INT16,
    INT32,
    INT64,
    STRING,
    BOOL,
    FLOAT16,
    DOUBLE,
    UINT32,
    UINT64,
    COMPLEX64,
    COMPLEX128,
    BFLOAT16
};

/* x -> Relu -> y, with the tensor as the only initializer; frees the tensor. */
static struct wire model_of(struct wire *tensor)
{
    struct wire graph = {0};
    put_node(&graph, "a", "Relu", "x", "y");
    put_ends(&graph);
    wire_put(&graph, GRAPH_INITIALIZER, tensor);
    return make_model(&graph);
}

static struct wire tensor_of(int64_t type, size_t rank, const int64_t *dims)
{
    struct wire tensor = {0};
    wire_text(&tensor, 8, "w");
    wire_int(&tensor, 2, type);
    for (size_t k = 0; k < rank; k++)
        wire_int(&tensor, 1, dims[k]);
    return tensor;
}

static struct wire list_of(int64_t type, int64_t length)
{
    return tensor_of(type, 1, &length);
}

static void assert_tensor_reads(struct wire *tensor, struct onnx_model *model)
{
    struct wire bytes = model_of(tensor);
    assert_reads(&bytes, model);
    assert_int_equal(model->n_initializers, 1);
}

static void assert_tensor_fails(struct wire *tensor, enum lm_status status, const char *text)
{
    struct wire bytes = model_of(tensor);
    assert_fails(&bytes, status, text);
}

static void assert_floats(struct wire *tensor, size_t n, const float *expected)
{
    struct onnx_model model;
    assert_tensor_reads(tensor, &model);
    assert_int_equal(model.initializers[0].type, ONNX_FLOAT);
    assert_int_equal(model.initializers[0].count, n);
    assert_memory_equal(model.initializers[0].f, expected, n * sizeof *expected);
    onnx_free(&model);
}

static void assert_ints(struct wire *tensor, size_t n, const int64_t *expected)
{
    struct onnx_model model;
    assert_tensor_reads(tensor, &model);
    assert_int_equal(model.initializers[0].type, ONNX_INT64);
    assert_int_equal(model.initializers[0].count, n);
    assert_memory_equal(model.initializers[0].i, expected, n * sizeof *expected);
    onnx_free(&model);
}

static void test_floats(void **state)
{
    (void)state;
    const float values[] = {0.0f, -0.0f, 1.5f, INFINITY};
    const double doubles[] = {0.0, -0.0, 1.5, 1e300};
    struct wire tensor = list_of(FLOAT, 4);
    wire_data(&tensor, 9, values, sizeof values);
    assert_floats(&tensor, 4, values);
    tensor = list_of(FLOAT, 4);
    wire_data(&tensor, 4, values, sizeof values);
    assert_floats(&tensor, 4, values);
    tensor = list_of(FLOAT, 4); /* one a field, and a list */
    wire_float(&tensor, 4, values[0]);
    wire_data(&tensor, 4, values + 1, 8);
    wire_float(&tensor, 4, values[3]);
    assert_floats(&tensor, 4, values);
    tensor = list_of(DOUBLE, 4);
    wire_data(&tensor, 9, doubles, sizeof doubles);
    assert_floats(&tensor, 4, values);
    tensor = list_of(DOUBLE, 4);
    wire_data(&tensor, 10, doubles, sizeof doubles);
    assert_floats(&tensor, 4, values);
}

/* What the bits of a 16-bit float stand for, by its definition. */
static float value_of(unsigned bits, unsigned fraction_bits, int bias)
{
    unsigned exponent_mask = (1u << (15 - fraction_bits)) - 1;
    unsigned fraction = bits & ((1u << fraction_bits) - 1);
    unsigned exponent = bits >> fraction_bits & exponent_mask;
    double one = ldexp(1, (int)fraction_bits), value;
    if (exponent == exponent_mask)
        value = fraction ? (double)NAN : (double)INFINITY;
    else if (exponent == 0)
        value = ldexp(fraction / one, 1 - bias);
    else
        value = ldexp(1 + fraction / one, (int)exponent - bias);
    return (float)(bits & 0x8000 ? -value : value);
}

static void assert_all_16_bits(int64_t type, bool raw, unsigned fraction_bits, int bias)
{
    static uint16_t bits[65536];
    static int64_t wide[65536];
    struct wire tensor = list_of(type, 65536);
    struct onnx_model model;
    for (unsigned k = 0; k < 65536; k++)
        wide[k] = bits[k] = (uint16_t)k;
    if (raw)
        wire_data(&tensor, 9, bits, sizeof bits);
    else
        wire_ints(&tensor, 5, wide, 65536);
    assert_tensor_reads(&tensor, &model);
    assert_int_equal(model.initializers[0].source_type, type);
    for (unsigned k = 0; k < 65536; k++) {
        float expected = value_of(k, fraction_bits, bias), got = model.initializers[0].f[k];
        if (isnan(expected))
            assert_true(isnan(got));
        else
            assert_memory_equal(&got, &expected, sizeof got);
    }
    onnx_free(&model);
}

static void test_16_bit_floats(void **state)
{
    (void)state;
    assert_all_16_bits(FLOAT16, true, 10, 15);
    assert_all_16_bits(FLOAT16, false, 10, 15);
    assert_all_16_bits(BFLOAT16, true, 7, 127);
    assert_all_16_bits(BFLOAT16, false, 7, 127);
}

static void test_integers(void **state)
{
    (void)state;
    static const struct {
        int64_t type;
        size_t size;
        int64_t values[3];
    } cases[] = {
        {UINT8, 1, {0, 127, 255}},
        {INT8, 1, {-128, -1, 127}},
        {UINT16, 2, {0, 32768, 65535}},
        {INT16, 2, {-32768, -1, 32767}},
        {INT32, 4, {INT32_MIN, -1, INT32_MAX}},
        {BOOL, 1, {0, 1, 1}},
        {INT64, 8, {INT64_MIN, -1, INT64_MAX}},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        uint8_t raw[24];
        for (size_t i = 0; i < 3; i++)
            memcpy(raw + i * cases[k].size, &cases[k].values[i], cases[k].size);
        struct wire tensor = list_of(cases[k].type, 3);
        wire_data(&tensor, 9, raw, 3 * cases[k].size);
        assert_ints(&tensor, 3, cases[k].values);
        tensor = list_of(cases[k].type, 3);
        wire_ints(&tensor, cases[k].type == INT64 ? 7 : 5, cases[k].values, 3);
        assert_ints(&tensor, 3, cases[k].values);
    }
    struct wire tensor = list_of(BOOL, 3);
    const int64_t expected[] = {0, 1, 1};
    wire_data(&tensor, 9, "\0\1\5", 3);
    assert_ints(&tensor, 3, expected);
}

static void assert_number_fails(int64_t type, int64_t value, const char *text)
{
    struct wire tensor = list_of(type, 2);
    const int64_t values[] = {0, value};
    wire_ints(&tensor, 5, values, 2);
    assert_tensor_fails(&tensor, LM_CORRUPT, text);
}

static void test_numbers_out_of_range(void **state)
{
    (void)state;
    assert_number_fails(UINT8, 256, "m.onnx: initializer \"w\": number 1, 256, does not fit uint8");
    assert_number_fails(INT8, -129, "m.onnx: initializer \"w\": number 1, -129, does not fit int8");
    assert_number_fails(BOOL, 2, "m.onnx: initializer \"w\": number 1, 2, does not fit bool");
    assert_number_fails(FLOAT16, 65536,
                        "m.onnx: initializer \"w\": number 1, 65536, does not fit float16");
    assert_number_fails(BFLOAT16, -1,
                        "m.onnx: initializer \"w\": number 1, -1, does not fit bfloat16");
}

static void test_unsupported_types(void **state)
{
    (void)state;
    static const struct {
        int64_t type;
        const char *name;
    } cases[] = {{0, "undefined"},         {STRING, "string"},
                 {UINT32, "uint32"},       {UINT64, "uint64"},
                 {COMPLEX64, "complex64"}, {COMPLEX128, "complex128"},
                 {17, "float8e4m3fn"},     {22, "int4"},
                 {23, "unknown"},          {-1, "unknown"},
                 {INT32_MAX, "unknown"}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        struct wire tensor = list_of(cases[k].type, 1);
        char text[200];
        snprintf(text, sizeof text, "m.onnx: initializer \"w\": data type %d (%s) is not supported",
                 (int)cases[k].type, cases[k].name);
        assert_tensor_fails(&tensor, LM_UNSUPPORTED, text);
    }
    struct wire tensor = list_of(FLOAT, 0), segment = {0};
    wire_put(&tensor, 3, &segment);
    assert_tensor_fails(&tensor, LM_UNSUPPORTED,
                        "m.onnx: initializer \"w\": tensors in segments are not supported");
}

static void test_shapes(void **state)
{
    (void)state;
    const int64_t with_zero[] = {2, 0, 3}, eight[] = {1, 1, 2, 1, 1, 1, 1, 1};
    const float values[] = {3, 4};
    struct onnx_model model;
    struct wire tensor = tensor_of(FLOAT, 0, NULL);
    wire_data(&tensor, 9, values, 4);
    assert_tensor_reads(&tensor, &model);
    assert_int_equal(model.initializers[0].rank, 0);
    assert_int_equal(model.initializers[0].count, 1);
    assert_true(model.initializers[0].f[0] == 3);
    onnx_free(&model);
    for (int64_t type = FLOAT; type <= INT64; type += INT64 - FLOAT) {
        tensor = tensor_of(type, 3, with_zero);
        assert_tensor_reads(&tensor, &model);
        assert_int_equal(model.initializers[0].rank, 3);
        assert_int_equal(model.initializers[0].count, 0);
        assert_non_null(model.initializers[0].data);
        onnx_free(&model);
    }
    tensor = tensor_of(FLOAT, 8, eight);
    wire_data(&tensor, 9, values, 8);
    assert_tensor_reads(&tensor, &model);
    assert_int_equal(model.initializers[0].rank, 8);
    assert_int_equal(model.initializers[0].dims[2], 2);
    onnx_free(&model);
}

static void assert_dims_fail(size_t rank, const int64_t *dims, enum lm_status status,
                             const char *text)
{
    struct wire tensor = tensor_of(FLOAT, rank, dims);
    wire_data(&tensor, 9, "12345678", 8);
    assert_tensor_fails(&tensor, status, text);
}

static void test_bad_dims(void **state)
{
    (void)state;
    const int64_t negative[] = {3, -1}, lowest[] = {INT64_MIN}, huge[] = {INT64_MAX, 2};
    const int64_t wraps[] = {1 << 16, 1 << 16, 1 << 16, 1 << 16},
                  large[] = {1 << 15, (1 << 14) + 1};
    const int64_t nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, three[] = {3}, most[] = {1 << 29};
    assert_dims_fail(2, negative, LM_CORRUPT,
                     "m.onnx: initializer \"w\": dims 3x-1: -1 is negative");
    assert_dims_fail(
        1, lowest, LM_CORRUPT,
        "m.onnx: initializer \"w\": dims -9223372036854775808: -9223372036854775808 is "
        "negative");
    assert_dims_fail(2, huge, LM_LIMIT,
                     "m.onnx: initializer \"w\": dims 9223372036854775807x2: too many elements "
                     "(limit 536870912)");
    assert_dims_fail(4, wraps, LM_LIMIT,
                     "m.onnx: initializer \"w\": dims 65536x65536x65536x65536: too many elements "
                     "(limit 536870912)");
    assert_dims_fail(2, large, LM_LIMIT,
                     "m.onnx: initializer \"w\": dims 32768x16385: too many elements (limit "
                     "536870912)");
    assert_dims_fail(9, nine, LM_LIMIT, "m.onnx: initializer \"w\": 9 dims (limit 8)");
    assert_dims_fail(1, three, LM_CORRUPT,
                     "m.onnx: initializer \"w\": 8 bytes of data, but dims 3 of float32 need 12");
    assert_dims_fail(
        0, NULL, LM_CORRUPT,
        "m.onnx: initializer \"w\": 8 bytes of data, but dims (none) of float32 need 4");
    assert_dims_fail(
        1, most, LM_LIMIT,
        "m.onnx: initializer \"w\": weights up to here take more than 1073741824 bytes "
        "(limit)");
}

static void assert_count_fails(int64_t type, uint32_t field, const char *text)
{
    struct wire tensor = list_of(type, 3);
    wire_data(&tensor, field, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_tensor_fails(&tensor, LM_CORRUPT, text);
}

static void test_wrong_count(void **state)
{
    (void)state;
    assert_count_fails(FLOAT, 4, "m.onnx: initializer \"w\": 4 numbers, but dims 3 need 3");
    assert_count_fails(INT32, 5, "m.onnx: initializer \"w\": 16 numbers, but dims 3 need 3");
    assert_count_fails(INT64, 7, "m.onnx: initializer \"w\": 16 numbers, but dims 3 need 3");
    assert_count_fails(DOUBLE, 10, "m.onnx: initializer \"w\": 2 numbers, but dims 3 need 3");
    assert_count_fails(FLOAT16, 9,
                       "m.onnx: initializer \"w\": 16 bytes of data, but dims 3 of float16 need 6");
    /* numbers, but in the list of another type, or none at all */
    assert_count_fails(FLOAT, 5, "m.onnx: initializer \"w\": 0 numbers, but dims 3 need 3");
    assert_count_fails(INT64, 99, "m.onnx: initializer \"w\": 0 numbers, but dims 3 need 3");
}

static void test_memory_limit(void **state)
{
    (void)state;
    struct wire graph = {0}, value = {0}, node = make_node("c", "Constant", "", "k");
    struct lm_model_limits limits = test_limits;
    put_node(&graph, "a", "Relu", "x", "y");
    put_ends(&graph);
    struct wire tensor = list_of(BOOL, 10); /* 10 bytes in the file, 80 in memory */
    wire_data(&tensor, 9, "\0\0\0\0\0\0\0\0\0", 10);
    wire_put(&graph, GRAPH_INITIALIZER, &tensor);
    tensor = list_of(FLOAT, 2);
    wire_data(&tensor, 9, "\0\0\0\0\0\0\0", 8);
    wire_text(&value, 1, "value");
    wire_put(&value, 5, &tensor);
    wire_put(&node, NODE_ATTRIBUTE, &value);
    wire_put(&graph, GRAPH_NODE, &node);
    struct wire model = make_model(&graph), copy = {0};
    wire_bytes(&copy, model.bytes, model.size);
    limits.max_bytes = 87;
    assert_fails_with(&model, &limits, LM_LIMIT,
                      "m.onnx: initializer \"w\": weights up to here take more than 87 bytes "
                      "(limit)");
    limits.max_bytes = 88;
    struct onnx_model read = {0};
    assert_int_equal(read_model_with(&copy, &limits, &read, NULL), LM_OK);
    assert_true(read.nodes[1].attributes[0].tensor.f[1] == 0.0f);
    onnx_free(&read);
    limits.max_bytes = 7;
    assert_fails_with(&copy, &limits, LM_LIMIT,
                      "m.onnx: node \"c\" (Constant): attribute \"value\": weights up to here take "
                      "more than 7 bytes (limit)");
}

static void put_entry(struct wire *tensor, const char *key, const char *value)
{
    struct wire entry = {0};
    if (!value)
        return;
    wire_text(&entry, 1, key);
    wire_text(&entry, 2, value);
    wire_put(tensor, 13, &entry);
}

/* Two floats in another file. */
static struct wire external(const char *location, const char *offset, const char *length)
{
    struct wire tensor = list_of(FLOAT, 2);
    put_entry(&tensor, "location", location);
    put_entry(&tensor, "offset", offset);
    put_entry(&tensor, "length", length);
    put_entry(&tensor, "checksum", "0");
    wire_int(&tensor, 14, 1);
    return tensor;
}

static void write_weights(void)
{
    const float numbers[] = {1, 2, 3, 4};
    scratch_write("w.bin", numbers, sizeof numbers);
    mkdir(scratch_path("sub"), 0700);
    scratch_write("sub/..w.bin", numbers, sizeof numbers);
}

static void assert_external(const char *location, const char *offset, const char *length,
                            float first)
{
    const float expected[] = {first, first + 1};
    struct wire tensor = external(location, offset, length);
    assert_floats(&tensor, 2, expected);
}

static void test_external(void **state)
{
    (void)state;
    write_weights();
    assert_external("w.bin", NULL, NULL, 1);
    assert_external("w.bin", "4", NULL, 2);
    assert_external("w.bin", "8", "8", 3);
    assert_external("./w.bin", "000000000000000000000000000004", "8", 2);
    assert_external("sub/..w.bin", NULL, NULL, 1);
    assert_int_equal(symlink("sub/..w.bin", scratch_path("link.bin")), 0);
    assert_external("link.bin", "4", NULL, 2);
    struct wire empty = external("w.bin", "16", "0"), half = list_of(FLOAT16, 1);
    wire_int(&empty, 1, 0); /* 2 x 0 */
    assert_floats(&empty, 0, NULL);
    put_entry(&half, "location", "h.bin");
    wire_int(&half, 14, 1);
    scratch_write("h.bin", "\x00\x3c", 2);
    const float one = 1;
    assert_floats(&half, 1, &one);
}

/* Several tensors, files taking turns; the path without a folder. */
static void test_external_turns(void **state)
{
    (void)state;
    char before[600];
    struct wire graph = {0};
    struct onnx_model model = {0};
    struct lm_error error = {0};
    write_weights();
    put_node(&graph, "a", "Relu", "x", "y");
    put_ends(&graph);
    for (int k = 0; k < 6; k++) {
        struct wire tensor = external(k / 2 % 2 ? "sub/..w.bin" : "w.bin", k % 2 ? "8" : "0", NULL);
        char name[2] = {(char)('a' + k), 0};
        wire_text(&tensor, 8, name);
        wire_put(&graph, GRAPH_INITIALIZER, &tensor);
    }
    struct wire bytes = make_model(&graph);
    scratch_write("turns.onnx", bytes.bytes, bytes.size);
    wire_free(&bytes);
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(scratch), 0);
    enum lm_status status = onnx_read("turns.onnx", &test_limits, &model, &error);
    assert_int_equal(chdir(before), 0);
    assert_string_equal(error.text, "");
    assert_int_equal(status, LM_OK);
    for (int k = 0; k < 6; k++)
        assert_true(model.initializers[k].f[0] == (k % 2 ? 3 : 1));
    onnx_free(&model);
}

#define PLACE "m.onnx: initializer \"w\": external data "

static void assert_external_fails(const char *location, const char *offset, const char *length,
                                  enum lm_status status, const char *text)
{
    struct wire tensor = external(location, offset, length);
    assert_tensor_fails(&tensor, status, text);
}

static void test_external_paths(void **state)
{
    (void)state;
    write_weights();
    const enum lm_status refused = LM_UNSUPPORTED;
    assert_external_fails(NULL, NULL, NULL, refused, PLACE "\"\": it has no location");
    assert_external_fails("", NULL, NULL, refused, PLACE "\"\": it has no location");
    assert_external_fails("/etc/passwd", NULL, NULL, refused,
                          PLACE "\"/etc/passwd\": it is an absolute path");
    assert_external_fails("..", NULL, NULL, refused,
                          PLACE "\"..\": it leads out of the model's folder");
    assert_external_fails("../w.bin", NULL, NULL, refused,
                          PLACE "\"../w.bin\": it leads out of the model's folder");
    assert_external_fails("sub/../w.bin", NULL, NULL, refused,
                          PLACE "\"sub/../w.bin\": it leads out of the model's folder");
    assert_external_fails("sub/..", NULL, NULL, refused,
                          PLACE "\"sub/..\": it leads out of the model's folder");
    assert_external_fails("..\\w.bin", NULL, NULL, refused,
                          PLACE "\"..\\w.bin\": it has a backslash or colon");
    assert_external_fails("c:w.bin", NULL, NULL, refused,
                          PLACE "\"c:w.bin\": it has a backslash or colon");
    assert_external_fails("no\nsuch.bin", NULL, NULL, LM_IO,
                          PLACE "\"no?such.bin\": cannot be opened: No such file or directory");
    assert_external_fails("w.bin/x", NULL, NULL, LM_IO,
                          PLACE "\"w.bin/x\": cannot be opened: Not a directory");
    assert_external_fails("sub", NULL, NULL, LM_IO, PLACE "\"sub\": is a folder, not a file");
    assert_external_fails(".", NULL, NULL, refused,
                          PLACE "\".\": it leads out of the model's folder");
    assert_int_equal(mkfifo(scratch_path("fifo"), 0600), 0);
    assert_external_fails("fifo", NULL, NULL, LM_IO, PLACE "\"fifo\": is not a regular file");
    assert_int_equal(symlink("/etc/passwd", scratch_path("out")), 0);
    assert_external_fails("out", NULL, NULL, refused,
                          PLACE "\"out\": it leads out of the model's folder");
    assert_int_equal(symlink("..", scratch_path("up")), 0);
    assert_external_fails("up/no.such", NULL, NULL, LM_IO,
                          PLACE "\"up/no.such\": cannot be opened: No such file or directory");
    assert_int_equal(symlink("/dev", scratch_path("dev")), 0);
    assert_external_fails("dev/zero", NULL, NULL, refused,
                          PLACE "\"dev/zero\": it leads out of the model's folder");
}

/* The folder beside the model's with a name that begins like it. */
static void test_external_neighbour(void **state)
{
    (void)state;
    const float numbers[] = {1, 2};
    mkdir(scratch_path("m"), 0700);
    mkdir(scratch_path("m2"), 0700);
    scratch_write("m2/w.bin", numbers, sizeof numbers);
    assert_int_equal(symlink("../m2/w.bin", scratch_path("m/w.bin")), 0);
    struct wire tensor = external("w.bin", NULL, NULL), bytes = model_of(&tensor);
    struct lm_error error = {0};
    struct onnx_model model = {0};
    scratch_write("m/m.onnx", bytes.bytes, bytes.size);
    wire_free(&bytes);
    assert_int_equal(onnx_read(scratch_path("m/m.onnx"), &test_limits, &model, &error),
                     LM_UNSUPPORTED);
    assert_string_equal(error.text, PLACE "\"w.bin\": it leads out of the model's folder");
}

static void test_external_ranges(void **state)
{
    (void)state;
    write_weights();
    assert_external_fails("w.bin", "12", NULL, LM_CORRUPT,
                          PLACE "\"w.bin\": 8 bytes from 12 on, but the file has 16");
    assert_external_fails("w.bin", "18446744073709551615", NULL, LM_CORRUPT,
                          PLACE "\"w.bin\": 8 bytes from 18446744073709551615 on, but the file has "
                                "16");
    assert_external_fails("w.bin", "18446744073709551616", NULL, LM_CORRUPT,
                          PLACE "\"w.bin\": offset \"18446744073709551616\" is not a number of "
                                "bytes");
    assert_external_fails("w.bin", "-4", NULL, LM_CORRUPT,
                          PLACE "\"w.bin\": offset \"-4\" is not a number of bytes");
    assert_external_fails("w.bin", "", NULL, LM_CORRUPT,
                          PLACE "\"w.bin\": offset \"\" is not a number of bytes");
    assert_external_fails("w.bin", "0", "0x8", LM_CORRUPT,
                          PLACE "\"w.bin\": length \"0x8\" is not a number of bytes");
    assert_external_fails("w.bin", "0", "16", LM_CORRUPT,
                          PLACE "\"w.bin\": length 16, but the dims need 8");
    struct wire twice = external("w.bin", NULL, NULL);
    put_entry(&twice, "location", "w.bin");
    assert_tensor_fails(&twice, LM_CORRUPT,
                        "m.onnx: initializer \"w\": external data: location is given twice");
    struct lm_model_limits limits = test_limits;
    limits.max_file_bytes = 200;
    char large[201] = {0};
    scratch_write("large.bin", large, sizeof large);
    struct wire tensor = external("large.bin", NULL, NULL), bytes = model_of(&tensor);
    assert_fails_with(&bytes, &limits, LM_LIMIT,
                      PLACE "\"large.bin\": the file has 201 bytes (limit 200)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_16_bit_floats),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_numbers_out_of_range),
        cmocka_unit_test(test_unsupported_types),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_bad_dims),
        cmocka_unit_test(test_wrong_count),
        cmocka_unit_test(test_memory_limit),
        cmocka_unit_test(test_external),
        cmocka_unit_test(test_external_turns),
        cmocka_unit_test(test_external_paths),
        cmocka_unit_test(test_external_neighbour),
        cmocka_unit_test(test_external_ranges),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
