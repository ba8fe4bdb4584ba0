/* Arrays of NumPy, model.json, and compressed run lengths: the first byte says which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/base64.h"
#include "codec/model_json.h"
#include "codec/npy.h"
#include "fuzz.h"
#include "layermask/mask.h"

static const char fuzz_name[] = "codec";

static struct wire make_array(const char *header, size_t data)
{
    struct wire wire = fuzz_text("n\x93NUMPY\1");
    uint8_t zero[64] = {0}, length[2] = {118, 0};
    char line[118];
    memset(line, ' ', sizeof line);
    memcpy(line, header, strlen(header));
    line[sizeof line - 1] = '\n';
    wire_bytes(&wire, zero, 1);
    wire_bytes(&wire, length, 2);
    wire_bytes(&wire, line, sizeof line);
    wire_bytes(&wire, zero, data);
    return wire;
}

static struct wire fuzz_seed(size_t index)
{
    static const char *const texts[] = {
        ("j{\"name\": \"n\", \"input\": {\"size\": [227, 300], \"channels\": \"BGR\","
         "\"resize_shorter\": 256, \"crop\": \"none\", \"mean\": [104, 117.5, 0],"
         "\"std\": [1, 0.5, 2]}, \"output\": \"probabilities\", \"labels\": \"names.txt\","
         "\"masking\": {\"concat\": \"majority\", \"exposed\": \"zero\","
         "\"average_pool\": \"plain\", \"global_pool\": \"unmasked\"}, \"other\": {\"x\": [1]}}"),
        ("j{\"labels\": [\"a\", \"b\"], \"input\": {\"size\": [8, 9], \"resize_shorter\": null,"
         "\"mean\": [1, 2, 3], \"std\": [4, 5, 6]}}"),
        "r<9h0`0Xi0",
        "bQUJDRA==",
    };
    switch (index) {
    case 0: return make_array("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 24);
    case 1: return make_array("{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }", 5);
    case 2: return make_array("{'descr': '<f8', 'fortran_order': False, 'shape': (), }", 8);
    default: break;
    }
    index -= 3;
    return index < sizeof texts / sizeof *texts ? fuzz_text(texts[index]) : (struct wire){0};
}

static void check(enum lm_status status, const struct lm_error *error)
{
    if (status != LM_OK && (error->status != status || !error->text[0]))
        abort();
    for (const char *c = error->text; *c; c++)
        if ((unsigned char)*c < ' ')
            abort();
}

static void fuzz_one(const uint8_t *bytes, size_t size)
{
    struct lm_error error = {0};
    struct npy array = {0};
    struct model_description about = {.json = NULL};
    struct lm_mask mask;
    uint8_t *decoded = NULL;
    size_t length = 0;
    if (size < 1)
        return;
    const char *text = (const char *)bytes + 1;
    switch (bytes[0]) {
    case 'n':
        check(npy_parse(bytes + 1, size - 1, "a.npy", &array, &error), &error);
        npy_free(&array);
        break;
    case 'j':
        if (model_description_parse(text, size - 1, "m.json", &about, &error) == LM_OK)
            model_description_free(&about);
        check(error.status, &error);
        break;
    case 'r':
        if (lm_mask_create(40, 20, &mask, NULL) == LM_OK) {
            check(lm_mask_add_rle_string(&mask, text, size - 1, &error), &error);
            lm_mask_free(&mask);
        }
        break;
    default:
        check(codec_base64_decode("b64", text, size - 1, 1000, &decoded, &length, &error), &error);
        free(decoded);
    }
}

FUZZ_MAIN()
