/* Model folders: model.json field by field with the exact texts of its errors, labels, the folder
 * itself.  What needs a network (input size, number of outputs) is in tests/golden/test_cli.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "codec/file.h"
#include "codec/labels.h"
#include "codec/model_dir.h"
#include "codec/policy.h"

#define INPUT(fields)                                                                              \
    "{\"input\": {\"size\": [8, 9], \"mean\": [1, 2, 3], \"std\": [4, 5, 6]" fields "}}"

static enum lm_status parse(const char *text, struct model_description *out, struct lm_error *error)
{
    return model_description_parse(text, strlen(text), "model.json", out, error);
}

static void expect_error(const char *text, enum lm_status status, const char *message)
{
    struct model_description description = {.labels_file = NULL};
    struct lm_error error = {0};
    assert_int_equal(parse(text, &description, &error), status);
    assert_string_equal(error.text, message);
    assert_null(description.json);
}

static void reads_every_field(void **state)
{
    (void)state;
    struct model_description d = {0};
    struct lm_error error = {0};
    assert_int_equal(
        parse(
            "{\"name\": \"n\", \"input\": {\"size\": [227, 300], \"channels\": \"BGR\","
            "\"resize_shorter\": 256, \"crop\": \"none\", \"mean\": [104, 117.5, 0],"
            "\"std\": [1, 0.5, 2]}, \"output\": \"probabilities\", \"labels\": \"names.txt\","
            "\"masking\": {\"concat\": \"majority\", \"exposed\": \"zero\","
            "\"average_pool\": \"plain\", \"global_pool\": \"unmasked\"}, \"other\": {\"x\": [1]}}",
            &d, &error),
        LM_OK);
    assert_int_equal(d.preprocess.height, 227);
    assert_int_equal(d.preprocess.width, 300);
    assert_int_equal(d.preprocess.channels, LM_BGR);
    assert_int_equal(d.preprocess.resize_shorter, 256);
    assert_false(d.preprocess.center_crop);
    assert_true(d.preprocess.mean[1] == 117.5f && d.preprocess.std[1] == 0.5f);
    assert_true(d.probabilities);
    assert_string_equal(d.labels_file, "names.txt");
    assert_int_equal(d.policy.concat, LM_CONCAT_MAJORITY);
    assert_int_equal(d.policy.exposed, LM_EXPOSED_ZERO);
    assert_int_equal(d.policy.average_pool, LM_AVERAGE_POOL_PLAIN);
    assert_int_equal(d.policy.global_pool, LM_GLOBAL_POOL_UNMASKED);
    assert_non_null(json_object_get(d.json, "other"));
    model_description_free(&d);
    model_description_free(NULL);
}

static void assumes_torchvision(void **state)
{
    (void)state;
    struct model_description d = {0};
    assert_int_equal(parse("{}", &d, NULL), LM_OK);
    assert_int_equal(d.preprocess.height, 224);
    assert_int_equal(d.preprocess.resize_shorter, 256);
    assert_true(d.preprocess.center_crop && d.preprocess.channels == LM_RGB);
    for (int i = 0; i < 3; i++) {
        static const double mean[] = {0.485, 0.456, 0.406}, std[] = {0.229, 0.224, 0.225};
        assert_true(d.preprocess.mean[i] == (float)(255 * mean[i]));
        assert_true(d.preprocess.std[i] == (float)(255 * std[i]));
    }
    assert_false(d.probabilities);
    model_description_free(&d);
    assert_int_equal(parse(INPUT(""), &d, NULL), LM_OK);
    assert_int_equal(d.preprocess.resize_shorter, 0);
    assert_true(d.preprocess.center_crop && d.preprocess.width == 9);
    model_description_free(&d);
}

static void refuses_what_is_no_object(void **state)
{
    (void)state;
    expect_error("", LM_CORRUPT, "model.json: line 1: '[' or '{' expected near end of file");
    expect_error("[1]", LM_INVALID, "model.json: must be a JSON object");
    expect_error("{\"a\": 1, \"a\": 2}", LM_CORRUPT,
                 "model.json: line 1: duplicate object key near '\"a\"'");
    expect_error("{} x", LM_CORRUPT, "model.json: line 1: end of file expected near 'x'");
    expect_error("{\"a\": NaN}", LM_CORRUPT, "model.json: line 1: invalid token near 'NaN'");
    expect_error("{\"name\": \"\"}", LM_INVALID,
                 "model.json: name must be a string that is not empty, not \"\"");
    expect_error("{\"name\": 3}", LM_INVALID,
                 "model.json: name must be a string that is not empty, not 3");
}

static void refuses_bad_input(void **state)
{
    (void)state;
#define SIZE "model.json: input.size must be [height, width], each from 1 to 4096"
#define STD "model.json: input.std must be 3 numbers above 0, in units of 0 to 255"
    expect_error("{\"input\": 3}", LM_INVALID, "model.json: input must be an object");
    expect_error("{\"input\": {}}", LM_INVALID, SIZE "; it is missing");
    expect_error("{\"input\": {\"size\": [0, 5]}}", LM_INVALID, SIZE ", not [0,5]");
    expect_error("{\"input\": {\"size\": [4097, 5]}}", LM_INVALID, SIZE ", not [4097,5]");
    expect_error("{\"input\": {\"size\": [-1, 5]}}", LM_INVALID, SIZE ", not [-1,5]");
    expect_error("{\"input\": {\"size\": [5.0, 5]}}", LM_INVALID, SIZE ", not [5.0,5]");
    expect_error("{\"input\": {\"size\": [5, 5, 5]}}", LM_INVALID, SIZE ", not [5,5,5]");
    expect_error("{\"input\": {\"size\": [18446744073709551617, 5]}}", LM_CORRUPT,
                 "model.json: line 1: too big integer near '18446744073709551617'");
    expect_error("{\"input\": {\"size\": [5, 5]}}", LM_INVALID,
                 "model.json: input.mean must be 3 numbers, in units of 0 to 255; it is missing");
    expect_error("{\"input\": {\"size\": [5, 5], \"mean\": [1, 2, 3]}}", LM_INVALID,
                 STD "; it is missing");
    expect_error("{\"input\": {\"size\": [5, 5], \"mean\": [1, 2, 3], \"std\": [1, 0, 1]}}",
                 LM_INVALID, STD ", not [1,0,1]");
    expect_error("{\"input\": {\"size\": [5, 5], \"mean\": [1, 2, 3], \"std\": [1, 1e-300, 1]}}",
                 LM_INVALID, STD ", not [1,1e-300,1]");
    expect_error("{\"input\": {\"size\": [5, 5], \"mean\": [1, 2, 3], \"std\": [1, true, 1]}}",
                 LM_INVALID, STD ", not [1,true,1]");
    expect_error("{\"input\": {\"size\": [5, 5], \"mean\": [1, 2, 1e300]}}", LM_INVALID,
                 "model.json: input.mean must be 3 numbers, in units of 0 to 255, not [1,2,1e300]");
    expect_error(INPUT(", \"channels\": \"rgb\""), LM_INVALID,
                 "model.json: input.channels must be \"RGB\" or \"BGR\", not \"rgb\"");
    expect_error(INPUT(", \"resize_shorter\": \"256\""), LM_INVALID,
                 "model.json: input.resize_shorter must be null or a whole number from 1 to 4096, "
                 "not \"256\"");
    expect_error(INPUT(", \"resize_shorter\": 7"), LM_INVALID,
                 "model.json: input.resize_shorter is 7, too small for input.size [8, 9]");
    expect_error(INPUT(", \"crop\": true"), LM_INVALID,
                 "model.json: input.crop must be \"center\" or \"none\", not true");
    expect_error(INPUT(", \"resize_shorte\": 9"), LM_INVALID,
                 "model.json: unknown field input.resize_shorte");
}

static void refuses_bad_choices(void **state)
{
    (void)state;
    expect_error("{\"output\": \"logit\"}", LM_INVALID,
                 "model.json: output must be \"logits\" or \"probabilities\", not \"logit\"");
    expect_error("{\"precision\": \"int8\"}", LM_INVALID,
                 "model.json: precision must be \"float32\" or \"bfloat16\", not \"int8\"");
    expect_error("{\"precision\": 16}", LM_INVALID,
                 "model.json: precision must be \"float32\" or \"bfloat16\", not 16");
    expect_error("{\"masking\": \"layer\"}", LM_INVALID, "model.json: masking must be an object");
    expect_error("{\"masking\": {\"concat\": \"both\"}}", LM_INVALID,
                 "model.json: masking.concat: \"both\" is none of union, majority, intersection");
    expect_error("{\"masking\": {\"exposed\": 1}}", LM_INVALID,
                 "model.json: masking.exposed must be a string");
    expect_error("{\"masking\": {\"preset\": \"default\"}}", LM_INVALID,
                 "model.json: unknown field masking.preset");
}

static void refuses_bad_labels(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\"\"",        "\"..\"", "\"/etc/passwd\"", "\"../labels.txt\"", "\"a/b\"",
        "\".hidden\"", "3",      "\"a\\\\b\""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[100], message[200];
        snprintf(text, sizeof text, "{\"labels\": %s}", bad[i]);
        snprintf(message, sizeof message,
                 "model.json: labels must be the plain name of a file in the model's folder, or an "
                 "array of strings, not %s",
                 bad[i]);
        expect_error(text, LM_INVALID, message);
    }
    expect_error("{\"labels\": [\"a\", 3]}", LM_INVALID, "model.json: labels[1] is not a string");
    expect_error("{\"labels\": \"a\\u0000b\"}", LM_CORRUPT,
                 "model.json: line 1: \\u0000 is not allowed without JSON_ALLOW_NUL near "
                 "'\"a\\u0000b\"'");
}

static void parses_policies(void **state)
{
    (void)state;
    struct lm_policy policy = {0};
    struct lm_error error = {0};
    char text[POLICY_TEXT_BYTES];
    assert_int_equal(policy_parse("authors-densenet", &policy, NULL), LM_OK);
    policy_to_text(&policy, text);
    assert_string_equal(text, "concat=majority,exposed=zero,average_pool=plain,global_pool=plain");
    assert_int_equal(policy_parse("exposed=computed,concat=intersection", &policy, NULL), LM_OK);
    policy_to_text(&policy, text);
    assert_string_equal(
        text, "concat=intersection,exposed=computed,average_pool=plain,global_pool=plain");
    assert_int_equal(policy_parse("default", &policy, NULL), LM_OK);
    policy_to_text(&policy, text);
    assert_string_equal(text,
                        "concat=union,exposed=computed,average_pool=visible,global_pool=visible");
    json_t *json = policy_to_json(&policy);
    char *dump = json_dumps(json, JSON_COMPACT);
    assert_string_equal(dump, "{\"concat\":\"union\",\"exposed\":\"computed\","
                              "\"average_pool\":\"visible\",\"global_pool\":\"visible\"}");
    free(dump);
    json_decref(json);
    assert_int_equal(policy_parse("concat=union,pool=1", &policy, &error), LM_INVALID);
    assert_string_equal(error.text, "policy pool: unknown field; there are concat, exposed, "
                                    "average_pool, global_pool");
    error = (struct lm_error){0};
    assert_int_equal(policy_parse("concat=union,", &policy, &error), LM_INVALID);
}

static void parses_labels(void **state)
{
    (void)state;
    static const char text[] = "tabby, tabby cat\r\n\ncrane\nCrane, bird\nlast";
    json_t *labels = NULL;
    struct lm_error error = {0};
    uint32_t index = 99;
    assert_int_equal(labels_parse(text, strlen(text), "labels.txt", &labels, NULL), LM_OK);
    assert_int_equal(json_array_size(labels), 5);
    assert_string_equal(labels_get(labels, 0), "tabby, tabby cat");
    assert_string_equal(labels_get(labels, 1), "");
    assert_string_equal(labels_get(labels, 4), "last");
    assert_null(labels_get(labels, 5));
    assert_null(labels_get(NULL, 0));
    assert_int_equal(labels_find(labels, "TABBY CAT", &index, NULL), LM_OK);
    assert_int_equal(index, 0);
    assert_int_equal(labels_find(labels, "bird", &index, NULL), LM_OK);
    assert_int_equal(index, 3);
    assert_int_equal(labels_find(labels, "crane", &index, &error), LM_INVALID);
    assert_string_equal(error.text,
                        "the label \"crane\" is not the only one: 2 and 3; give the index");
    error = (struct lm_error){0};
    assert_int_equal(labels_find(labels, "tab", &index, &error), LM_INVALID);
    assert_string_equal(error.text, "the model has no label \"tab\"");
    json_decref(labels);
}

static void refuses_labels_that_are_no_text(void **state)
{
    (void)state;
    json_t *labels = NULL;
    struct lm_error error = {0};
    assert_int_equal(labels_parse("a\n\xff\n", 4, "labels.txt", &labels, &error), LM_INVALID);
    assert_string_equal(error.text, "labels.txt: line 2 is not UTF-8 text");
    error = (struct lm_error){0};
    assert_int_equal(labels_parse("a\0b", 3, "labels.txt", &labels, &error), LM_INVALID);
    char longest[LABELS_MAX_LENGTH + 1];
    memset(longest, 'x', sizeof longest);
    error = (struct lm_error){0};
    assert_int_equal(labels_parse(longest, sizeof longest, "labels.txt", &labels, &error),
                     LM_LIMIT);
    assert_string_equal(error.text, "labels.txt: line 1 has 1001 bytes, the limit is 1000");
    assert_null(labels);
}

/* A folder of the test's own: its path, and files in it. */
struct folder {
    char path[64];
};

static int make_folder(void **state)
{
    static struct folder folder;
    strcpy(folder.path, "/tmp/layermask-test-XXXXXX");
    if (!mkdtemp(folder.path))
        return -1;
    *state = &folder;
    return 0;
}

static void file_path(const struct folder *folder, const char *name, char out[128])
{
    snprintf(out, 128, "%s/%s", folder->path, name);
}

static void write_file(const struct folder *folder, const char *name, const char *text)
{
    char path[128];
    file_path(folder, name, path);
    assert_int_equal(file_write(path, text, strlen(text), NULL), LM_OK);
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"model.onnx", "model.json", "labels.txt", "other.txt"};
    const struct folder *folder = *state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        file_path(folder, names[i], path);
        remove(path);
    }
    return rmdir(folder->path);
}

static void reads_a_folder(void **state)
{
    const struct folder *folder = *state;
    struct model_dir dir = {0};
    struct lm_error error = {0};
    write_file(folder, "model.onnx", "abc");
    assert_int_equal(model_dir_read(folder->path, &dir, &error), LM_OK);
    assert_string_equal(dir.version, "ba7816bf8f01"); /* FIPS 180-2's example */
    assert_string_equal(dir.name, folder->path + strlen("/tmp/"));
    assert_true(dir.assumed);
    assert_null(dir.labels);
    model_dir_free(&dir);

    write_file(folder, "labels.txt", "a\nb\n");
    write_file(folder, "model.json", "{\"name\": \"mine\"}");
    char path[128];
    file_path(folder, "model.onnx", path);
    assert_int_equal(model_dir_read(path, &dir, &error), LM_OK);
    assert_string_equal(dir.name, "mine");
    assert_false(dir.assumed);
    assert_int_equal(json_array_size(dir.labels), 2);
    model_dir_free(&dir);

    write_file(folder, "other.txt", "x\n");
    write_file(folder, "model.json", "{\"labels\": \"other.txt\"}");
    assert_int_equal(model_dir_read(folder->path, &dir, &error), LM_OK);
    assert_string_equal(labels_get(dir.labels, 0), "x");
    model_dir_free(&dir);
    model_dir_free(NULL);
}

static void names_missing_files(void **state)
{
    const struct folder *folder = *state;
    struct model_dir dir = {0};
    struct lm_error error = {0};
    char text[256];
    assert_int_equal(model_dir_read("/nowhere/model", &dir, &error), LM_IO);
    assert_string_equal(error.text, "/nowhere/model: no such model folder");
    error = (struct lm_error){0};
    assert_int_equal(model_dir_read(folder->path, &dir, &error), LM_IO);
    snprintf(text, sizeof text, "%s/model.onnx: No such file or directory", folder->path);
    assert_string_equal(error.text, text);
    error = (struct lm_error){0};
    write_file(folder, "model.onnx", "abc");
    write_file(folder, "model.json", "{\"labels\": \"other.txt\"}");
    assert_int_equal(model_dir_read(folder->path, &dir, &error), LM_IO);
    snprintf(text, sizeof text, "%s/other.txt: No such file or directory", folder->path);
    assert_string_equal(error.text, text);
    error = (struct lm_error){0};
    char path[128];
    file_path(folder, "model.json", path);
    assert_int_equal(model_dir_read(path, &dir, &error), LM_INVALID);
    snprintf(text, sizeof text, "%s: neither a model folder nor an .onnx file", path);
    assert_string_equal(error.text, text);
    assert_null(dir.file);
}

static void expect_refused(const struct folder *folder, enum lm_status status, const char *message)
{
    struct model_dir dir = {0};
    struct lm_error error = {0};
    char text[256];
    snprintf(text, sizeof text, "%s/%s", folder->path, message);
    assert_int_equal(model_dir_read(folder->path, &dir, &error), status);
    assert_string_equal(error.text, text);
}

/* Pipes and devices would make a reader wait for ever; a huge file would be hashed for minutes. */
static void refuses_what_has_no_end(void **state)
{
    const struct folder *folder = *state;
    static const char *const names[] = {"labels.txt", "model.json", "model.onnx"};
    char path[128], message[64];
    write_file(folder, "model.onnx", "abc");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        file_path(folder, names[i], path);
        snprintf(message, sizeof message, "%s: is not a regular file", names[i]);
        remove(path);
        assert_int_equal(mkfifo(path, 0600), 0);
        expect_refused(folder, LM_IO, message);
        remove(path);
        assert_int_equal(symlink("/dev/zero", path), 0);
        expect_refused(folder, LM_IO, message);
        remove(path);
        assert_int_equal(mkdir(path, 0700), 0);
        snprintf(message, sizeof message, "%s: is a folder, not a file", names[i]);
        if (i == 2)
            expect_refused(folder, LM_IO, message);
        rmdir(path);
        write_file(folder, names[i], i == 2 ? "abc" : i == 1 ? "{}" : "a\n");
    }
    file_path(folder, "model.onnx", path);
    assert_int_equal(truncate(path, (off_t)100 << 30), 0);
    expect_refused(folder, LM_LIMIT, "model.onnx: larger than 2147483648 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_field),
        cmocka_unit_test(assumes_torchvision),
        cmocka_unit_test(refuses_what_is_no_object),
        cmocka_unit_test(refuses_bad_input),
        cmocka_unit_test(refuses_bad_choices),
        cmocka_unit_test(refuses_bad_labels),
        cmocka_unit_test(parses_policies),
        cmocka_unit_test(parses_labels),
        cmocka_unit_test(refuses_labels_that_are_no_text),
        cmocka_unit_test_setup_teardown(reads_a_folder, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(names_missing_files, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(refuses_what_has_no_end, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
