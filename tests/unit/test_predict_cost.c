/* What a predict call says that it will take, against what it takes: malloc and its relatives are
 * defined here, for the whole program, and count.  glibc and gcc only, without sanitizers, which
 * have their own. */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shapes_fixture.h"

static _Thread_local bool counting;
static uint64_t used, most;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
enum { COUNTS = 1 };
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t),
    *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static void *came(void *memory)
{
    if (counting && memory) {
        used += malloc_usable_size(memory);
        most = used > most ? used : most;
    }
    return memory;
}

static void goes(void *memory)
{
    if (counting && memory)
        used -= malloc_usable_size(memory);
}

void *malloc(size_t size)
{
    return came(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return came(__libc_calloc(count, size));
}

void *realloc(void *old, size_t size)
{
    size_t before = counting && old ? malloc_usable_size(old) : 0;
    void *memory = came(__libc_realloc(old, size)); /* both are there for a moment */
    used -= memory ? before : 0;
    return memory;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return came(__libc_memalign(alignment, size));
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *memory = came(__libc_memalign(alignment, size));
    if (!memory)
        return ENOMEM;
    *out = memory;
    return 0;
}

void free(void *memory)
{
    goes(memory);
    __libc_free(memory);
}
#else
enum { COUNTS = 0 };
#endif

/* Runs the request; what it takes must be below what it said, and not far below: above a share. */
static void check(const struct request *request, double share)
{
    struct call_answer answer = {0};
    struct codec_fault fault = {0};
    struct lm_error error = {0};
    void *call = NULL;
    if (call_predict.read(request, &shapes.terms, CALL_JSON, &call, &fault, &error) != LM_OK)
        fail_msg("%s: %s", fault.pointer, error.text);
    uint64_t said = call_predict.bytes(call);
    call_predict.free(call);
    used = most = 0;
    counting = true;
    enum lm_status status = shapes_call(&call_predict, request, CALL_JSON, &answer, &fault, &error);
    counting = false;
    if (status != LM_OK)
        fail_msg("%s: %s", fault.pointer, error.text);
    print_message("%.2f MB of %.2f MB\n", (double)most / 1e6, (double)said / 1e6);
    assert_in_range(most, 1, said);
    assert_true((double)most >= share * (double)said);
    call_answer_free(&answer);
}

static void check_document(const char *document, double share)
{
    struct request request = shapes_request(document);
    check(&request, share);
    request_free(&request);
}

static void tells_small_calls(void **state)
{
    (void)state;
    if (!COUNTS)
        skip();
    check_document("{\"instances\": [{\"image\": \"@\"}]}", 0.25);
    check_document("{\"instances\": [{\"image\": \"@\", \"hide\": {\"png\": \"#\"}}, {\"image\": "
                   "\"@\", \"keep\": {\"segments\": [1]}}], \"parameters\": {\"masking\": "
                   "\"blur\"}}",
                   0.25);
}

static void tells_masks(void **state)
{
    enum { N = 300 };
    (void)state;
    if (!COUNTS)
        skip();
    char *document = malloc(100 * N), *end = document;
    end += sprintf(end, "{\"instances\": [{\"image\": \"@\", \"masks\": [");
    for (int i = 0; i < N; i++)
        end +=
            sprintf(end, "%s{\"hide\": {\"polygon\": [[%d, 5, 90, 7, 40, 70]]}}", i ? "," : "", i);
    sprintf(end, "]}], \"parameters\": {\"logits\": true, \"top_k\": 10}}");
    check_document(document, 0.1);
    free(document);
}

/* A large picture as a JPEG, with a PNG for a mask, as files. */
static void tells_large_pictures(void **state)
{
    (void)state;
    if (!COUNTS)
        skip();
    struct lm_image image = {0};
    struct request request = shapes_request("{}");
    uint8_t *jpeg = NULL, *png = NULL;
    assert_int_equal(lm_image_create(2500, 1700, &image, NULL), LM_OK);
    for (size_t i = 0; i < (size_t)3 * 2500 * 1700; i++)
        image.rgb[i] = (uint8_t)(i * i >> 11);
    assert_int_equal(lm_image_encode_jpeg(&image, 90, &jpeg, &request.image.size, NULL), LM_OK);
    assert_int_equal(lm_image_encode_png(&image, &png, &request.hide.size, NULL), LM_OK);
    request.image.bytes = jpeg;
    check(&request, 0.25);
    request.hide.bytes = png;
    check(&request, 0.25);
    free(jpeg);
    free(png);
    lm_image_free(&image);
    request_free(&request);
}

/* The fixtures of the decoders: progressive, arithmetic, turned, interlaced, four channels. */
static void tells_all_kinds(void **state)
{
    static const char *const names[] = {"progressive.jpg", "arithmetic.jpg", "exif_6.jpg",
                                        "cmyk.jpg", "exif_2.png"};
    (void)state;
    if (!COUNTS)
        skip();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct request request = shapes_request("{}");
        uint8_t *bytes = NULL;
        char path[200];
        snprintf(path, sizeof path, "tests/golden/images/%s", names[i]);
        assert_int_equal(file_read(path, 1 << 24, &bytes, &request.image.size, NULL), LM_OK);
        request.image.bytes = bytes;
        check(&request, 0.1);
        request_free(&request);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_small_calls),
        cmocka_unit_test(tells_masks),
        cmocka_unit_test(tells_large_pictures),
        cmocka_unit_test(tells_all_kinds),
    };
    return cmocka_run_group_tests_name("predict_cost", tests, shapes_setup, shapes_teardown);
}
