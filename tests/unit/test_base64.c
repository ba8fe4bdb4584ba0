/* Base64 and the places of faults: the small parts that every JSON parser here uses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "codec/base64.h"
#include "codec/fault.h"

/* RFC 4648, section 10. */
static const char *const vectors[][2] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

static void vectors_of_the_rfc(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        char *text;
        uint8_t *bytes;
        size_t size;
        assert_int_equal(codec_base64_encode(vectors[i][0], strlen(vectors[i][0]), &text, NULL),
                         LM_OK);
        assert_string_equal(text, vectors[i][1]);
        assert_int_equal(
            codec_base64_decode("png", text, strlen(text), SIZE_MAX, &bytes, &size, NULL), LM_OK);
        assert_int_equal(size, strlen(vectors[i][0]));
        assert_memory_equal(bytes, vectors[i][0], size);
        free(text);
        free(bytes);
    }
}

static void white_space_is_skipped(void **state)
{
    (void)state;
    const char text[] = " Zm\r\n9v\tYg =\n=\n";
    uint8_t *bytes;
    size_t size;
    assert_int_equal(codec_base64_decode("png", text, strlen(text), SIZE_MAX, &bytes, &size, NULL),
                     LM_OK);
    assert_int_equal(size, 4);
    assert_memory_equal(bytes, "foob", 4);
    free(bytes);
}

static void expect_refused(const char *text, size_t length, size_t limit, enum lm_status status,
                           const char *message)
{
    uint8_t *bytes = NULL;
    size_t size = 77;
    struct lm_error error = {0};
    assert_int_equal(codec_base64_decode("png", text, length, limit, &bytes, &size, &error),
                     status);
    assert_string_equal(error.text, message);
    assert_null(bytes);
    assert_int_equal(size, 77);
}

static void bad_base64(void **state)
{
    (void)state;
    expect_refused("Zm9v!mFy", 8, 99, LM_CORRUPT, "png: character 4 ('!') is not base64");
    expect_refused("data:image/png;base64,Zm9v", 26, 99, LM_CORRUPT,
                   "png: character 4 (':') is not base64 (a data: URL needs its header cut off)");
    expect_refused("Zm-_", 4, 99, LM_CORRUPT, "png: character 2 ('-') is not base64");
    expect_refused("Zm\0v", 4, 99, LM_CORRUPT, "png: character 2 (code 0) is not base64");
    expect_refused("Zm\xc3\xa4", 4, 99, LM_CORRUPT, "png: character 2 (code 195) is not base64");
    expect_refused("Zm9vYg", 6, 99, LM_CORRUPT, "png: base64 ends early, after 6 characters");
    expect_refused("Zm9vYg=", 7, 99, LM_CORRUPT, "png: base64 ends early, after 7 characters");
    expect_refused("Z", 1, 99, LM_CORRUPT, "png: base64 ends early, after 1 characters");
    expect_refused("Zg=a", 4, 99, LM_CORRUPT, "png: character 3 ('a') is not base64");
    expect_refused("=", 1, 99, LM_CORRUPT, "png: base64 padding at character 0 is out of place");
    expect_refused("Zm9v=", 5, 99, LM_CORRUPT,
                   "png: base64 padding at character 4 is out of place");
    expect_refused("Zg===", 5, 99, LM_CORRUPT,
                   "png: base64 padding at character 4 is out of place");
    expect_refused("Zm9vYmFy", 8, 5, LM_LIMIT, "png: 6 bytes are over the limit of 5");
}

static void pointers_are_rfc_6901(void **state)
{
    (void)state;
    struct codec_fault fault = {0};
    size_t top = fault_enter_key(&fault, "a/b~c");
    size_t below = fault_enter_index(&fault, 12);
    assert_string_equal(fault.pointer, "/a~1b~0c/12");
    fault_leave(&fault, below);
    assert_string_equal(fault.pointer, "/a~1b~0c");
    fault_enter_key(&fault, "");
    assert_string_equal(fault.pointer, "/a~1b~0c/");
    fault_leave(&fault, top);
    assert_string_equal(fault.pointer, "");
}

static void long_pointers_are_cut_at_a_name(void **state)
{
    (void)state;
    struct codec_fault fault = {0};
    char key[300] = {0};
    memset(key, '~', 127); /* with its escapes 254 characters, and the slash: just fits */
    size_t here = fault_enter_key(&fault, key);
    assert_int_equal(strlen(fault.pointer), 255);
    size_t below = fault_enter_index(&fault, 0);
    assert_int_equal(strlen(fault.pointer), 255);
    fault_leave(&fault, below);
    fault_leave(&fault, here);
    fault_enter_key(&fault, "hide");
    key[127] = 'x';
    here = fault_enter_key(&fault, key);
    fault_enter_key(&fault, "below");
    assert_string_equal(fault.pointer, "/hide");
    fault_leave(&fault, here);
    fault_enter_key(&fault, "box");
    assert_string_equal(fault.pointer, "/hide/box");
}

static void foreign_text_is_clipped(void **state)
{
    (void)state;
    char out[10];
    fault_clip_text(out, sizeof out, "a\nb\x7f");
    assert_string_equal(out, "a?b?");
    fault_clip_text(out, sizeof out, "123456789");
    assert_string_equal(out, "123456789");
    fault_clip_text(out, sizeof out, "1234567890");
    assert_string_equal(out, "123456...");
    fault_clip_text(out, sizeof out, "12345\xe2\x82\xac\xe2\x82\xac");
    assert_string_equal(out, "12345...");
}

static void faults_name_types(void **state)
{
    (void)state;
    struct codec_fault fault = {0};
    struct lm_error error = {0};
    json_t *value = json_real(2.5);
    assert_int_equal(fault_type(&fault, &error, "seed", "an integer", value), LM_INVALID);
    assert_string_equal(error.text, "seed must be an integer, not a number with a fraction");
    assert_true(fault.malformed);
    json_decref(value);
    error = (struct lm_error){0};
    fault_type(&fault, &error, "seed", "an integer", NULL);
    assert_string_equal(error.text, "seed is missing, it must be an integer");
    error = (struct lm_error){0};
    fault_unknown(&fault, &error, "parameters", "smaples");
    assert_string_equal(error.text, "parameters has the unknown field \"smaples\"");
    assert_string_equal(fault.pointer, "/smaples");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_the_rfc),
        cmocka_unit_test(white_space_is_skipped),
        cmocka_unit_test(bad_base64),
        cmocka_unit_test(pointers_are_rfc_6901),
        cmocka_unit_test(long_pointers_are_cut_at_a_name),
        cmocka_unit_test(foreign_text_is_clipped),
        cmocka_unit_test(faults_name_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
