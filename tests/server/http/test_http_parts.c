/* The parts of the HTTP room that need no socket: targets, media types, negotiation, encodings,
 * multipart, problems, keys, and routes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/auth.h"
#include "http/encoding.h"
#include "http/media.h"
#include "http/multipart.h"
#include "http/negotiate.h"
#include "http/problem.h"
#include "http/router.h"
#include "http/uri.h"
#include "http/utf8.h"

static void test_utf8(void **state)
{
    (void)state;
    assert_true(utf8_is_plain("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xb1", 15));
    const char *const bad[] = {"\xc0\xaf",     "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                               "\xf8\x88\x80", "\x80",         "\xe2\x82",     "\xf0\x9f\x90",
                               "a\nb",         "\x7f",         "\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(utf8_is_plain(bad[i], strlen(bad[i])));
    assert_false(utf8_is_plain("a\0b", 3));
}

static void test_uri_decode(void **state)
{
    (void)state;
    char out[64];
    assert_non_null(uri_decode("a%20b+c%2Fd", 11, false, out));
    assert_string_equal(out, "a b+c/d");
    assert_non_null(uri_decode("a+b", 3, true, out));
    assert_string_equal(out, "a b");
    const char *const bad[] = {"%", "%4", "%zz", "%-1", "%00", "%0a", "%ff", "%c3", "a%", "%%20"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(uri_decode(bad[i], strlen(bad[i]), false, out));
}

static enum uri_fault split(const char *path, struct uri_path *out)
{
    static char buffer[256];
    return uri_split(path, buffer, out);
}

static void test_uri_split(void **state)
{
    (void)state;
    struct uri_path path;
    assert_int_equal(split("/v1/models/a%3Ab:predict/", &path), URI_OK);
    assert_int_equal(path.n, 3);
    assert_string_equal(path.segments[2].text, "a:b:predict");
    assert_int_equal(path.segments[2].colon, 3);
    assert_int_equal(split("/", &path), URI_OK);
    assert_int_equal(path.n, 0);
    const char *const nowhere[] = {"",
                                   "a",
                                   "//",
                                   "/a//b",
                                   "/../etc",
                                   "/a/./b",
                                   "/a/%2e%2e/b",
                                   "/%2E",
                                   "/a/..",
                                   "*",
                                   "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"};
    for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++)
        assert_int_equal(split(nowhere[i], &path), URI_NOWHERE);
    assert_int_equal(split("/a/%zz", &path), URI_BROKEN);
    assert_int_equal(split("/%zz:a", &path), URI_BROKEN);
}

static void test_uri_query(void **state)
{
    (void)state;
    struct http_pair pairs[URI_QUERY_MAX];
    char buffer[1024];
    size_t n;
    assert_true(uri_query("a=1&b=x%26y&a=2+3&c&d=&&=e&f=g=h", buffer, pairs, &n));
    const char *const want[][2] = {{"a", "1"}, {"b", "x&y"}, {"a", "2 3"}, {"c", ""},
                                   {"d", ""},  {"", "e"},    {"f", "g=h"}};
    assert_int_equal(n, 7);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(pairs[i].name, want[i][0]);
        assert_string_equal(pairs[i].value, want[i][1]);
    }
    assert_false(uri_query("a=%", buffer, pairs, &n));
    assert_false(uri_query("%zz=1", buffer, pairs, &n));
    char many[3 * URI_QUERY_MAX + 8] = "";
    for (int i = 0; i <= URI_QUERY_MAX; i++)
        strcat(many, "a&");
    assert_false(uri_query(many, buffer, pairs, &n));
}

static void test_media(void **state)
{
    (void)state;
    char type[MEDIA_TYPE_MAX], value[16];
    assert_true(media_type("Image/PNG", type));
    assert_string_equal(type, "image/png");
    assert_true(media_type(" text/html ;charset=UTF-8", type));
    assert_string_equal(type, "text/html");
    const char *const bad[] = {"", "text", "text/", "/html", "te xt/html", "text/html,a/b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(media_type(bad[i], type));
    assert_true(media_parameter("a/b; x=1; Y=\"q \\\"r\\\\ C:\\dir\"", "y", value, sizeof value));
    assert_string_equal(value, "q \"r\\ C:\\dir");
    assert_false(media_parameter("a/b; x=1", "y", value, sizeof value));
    assert_false(media_parameter("a/b; x=\"1", "x", value, sizeof value));
    assert_false(media_parameter("a/b; x=\"1\\", "x", value, sizeof value));
    assert_false(media_parameter("a/b; x=01234567890123456", "x", value, sizeof value));
    assert_false(media_parameter("a/b; x", "x", value, sizeof value));
}

static void test_negotiate_type(void **state)
{
    (void)state;
    static const char *const offered[] = {"application/json", "image/png", "image/jpeg"};
    static const struct {
        const char *accept;
        int want;
    } cases[] = {
        {NULL, 0},
        {"", 0},
        {"*/*", 0},
        {"image/png", 1},
        {"IMAGE/JPEG", 2},
        {"image/*", 1},
        {"image/*;q=0.5, image/jpeg", 2},
        {"application/json;q=0.2, image/png;q=0.3", 1},
        {"text/html, */*;q=0.1", 0},
        {"text/html", -1},
        {"application/json;q=0", -1},
        {"*/*, application/json;q=0", 1},
        {"image/png;q=2, image/jpeg;q=x", -1},
        {"application/json; version=1; q=0.1, image/jpeg;q=0.11", 2},
        {",,;;,image/png", 1},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
         0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(negotiate_type(cases[i].accept, offered, 3), cases[i].want);
    assert_int_equal(negotiate_type(NULL, offered, 0), -1);
}

static void test_negotiate_gzip_and_prefer(void **state)
{
    (void)state;
    assert_true(negotiate_gzip("gzip"));
    assert_true(negotiate_gzip("deflate, gzip;q=0.5, br"));
    assert_true(negotiate_gzip("*"));
    assert_false(negotiate_gzip(NULL));
    assert_false(negotiate_gzip("identity, gzip;q=0"));
    assert_false(negotiate_gzip("gzip;q=0.1, identity"));
    assert_false(negotiate_gzip("br"));
    struct negotiate_prefer prefer = negotiate_prefer("respond-async, wait=10");
    assert_true(prefer.respond_async);
    assert_int_equal(prefer.wait_s, 10);
    prefer = negotiate_prefer("return=minimal;x=y,Wait=100000, RESPOND-ASYNC");
    assert_true(prefer.respond_async);
    assert_int_equal(prefer.wait_s, -1);
    prefer = negotiate_prefer(NULL);
    assert_false(prefer.respond_async);
    assert_int_equal(negotiate_prefer("wait=").wait_s, -1);
}

static void test_encoding(void **state)
{
    (void)state;
    char *text = malloc(300000);
    for (int i = 0; i < 300000; i++)
        text[i] = (char)('0' + i % 1013 * i % 7);
    void *packed = NULL;
    size_t size = 0;
    assert_true(encoding_gzip(text, 300000, &packed, &size));
    atomic_size_t budget = 1 << 20;
    for (size_t step = 1; step < size; step = step * 5 + 1) {
        struct encoding_body body = {.size_max = 300000, .budget = &budget};
        struct encoding_inflater *inflater = encoding_inflater_new();
        for (size_t at = 0; at < size; at += step) {
            assert_false(encoding_inflater_done(inflater));
            assert_int_equal(encoding_inflate(inflater, (char *)packed + at,
                                              at + step < size ? step : size - at, &body),
                             ENCODING_OK);
        }
        assert_true(encoding_inflater_done(inflater));
        assert_int_equal(body.size, 300000);
        assert_memory_equal(body.bytes, text, 300000);
        encoding_inflater_free(inflater);
        encoding_body_free(&body);
        assert_int_equal(budget, 1 << 20);
    }
    struct encoding_body small = {.size_max = 299999, .budget = &budget};
    struct encoding_inflater *inflater = encoding_inflater_new();
    assert_int_equal(encoding_inflate(inflater, packed, size, &small), ENCODING_TOO_LARGE);
    encoding_inflater_free(inflater);
    encoding_body_free(&small);
    atomic_size_t little = 1000;
    struct encoding_body poor = {.size_max = 300000, .budget = &little};
    inflater = encoding_inflater_new();
    assert_int_equal(encoding_inflate(inflater, packed, size, &poor), ENCODING_BUDGET);
    assert_int_equal(little, 1000);
    encoding_inflater_free(inflater);
    encoding_body_free(&poor);
    inflater = encoding_inflater_new();
    assert_int_equal(encoding_inflate(inflater, "no gzip at all", 14, &poor), ENCODING_CORRUPT);
    encoding_inflater_free(inflater);
    free(packed);
    free(text);
    assert_false(encoding_gzip("short", 5, &packed, &size));
    assert_int_equal(encoding_parse("br"), ENCODING_UNKNOWN);
    assert_int_equal(encoding_parse("gzip, gzip"), ENCODING_UNKNOWN);
    assert_int_equal(encoding_parse("X-GZIP"), ENCODING_ZLIB);
    assert_int_equal(encoding_parse("identity"), ENCODING_IDENTITY);
}

#define FORM_TYPE "multipart/form-data; boundary=xYz"

static const char form[] =
    "--xYz\r\n"
    "Content-Disposition: form-data; name=\"parameters\"\r\n"
    "\r\n"
    "{\"top_k\": 5}\r\n"
    "--xYz\r\n"
    "content-disposition: form-data; name=image; filename=\"c\\\"at.png\"\r\n"
    "Content-Type: image/png\r\n"
    "\r\n"
    "\x89PNG\r\n--xY\r\n\0-\r\n"
    "--xYz\r\n"
    "Content-Disposition: form-data; name=\"empty\"\r\n"
    "\r\n"
    "\r\n"
    "--xYz--\r\n";
#define FORM_SIZE (sizeof form - 1)

static enum lm_status parse(const char *type, const void *body, size_t size, struct multipart *out,
                            struct lm_error *error)
{
    /* At the end of its own memory, so that reads beyond it are found. */
    uint8_t *copy = malloc(size + 1);
    memcpy(copy + 1, body, size);
    enum lm_status status = multipart_parse(type, copy + 1, size, 8, out, error);
    if (status == LM_OK)
        multipart_free(out);
    free(copy);
    return status;
}

static void test_multipart(void **state)
{
    (void)state;
    struct multipart parts;
    assert_int_equal(multipart_parse(FORM_TYPE, (const uint8_t *)form, FORM_SIZE, 8, &parts, NULL),
                     LM_OK);
    assert_int_equal(parts.n, 3);
    assert_string_equal(parts.parts[0].name, "parameters");
    assert_string_equal(parts.parts[0].content_type, "text/plain");
    assert_int_equal(parts.parts[0].size, 12);
    const struct multipart_part *image = &parts.parts[1];
    assert_string_equal(image->name, "image");
    assert_string_equal(image->filename, "c\"at.png");
    assert_string_equal(image->content_type, "image/png");
    assert_int_equal(image->size, 14);
    assert_memory_equal(image->bytes, "\x89PNG\r\n--xY\r\n\0-", 14);
    assert_string_equal(parts.parts[2].name, "empty");
    assert_int_equal(parts.parts[2].size, 0);
    multipart_free(&parts);
}

static void test_multipart_prefixes(void **state)
{
    (void)state;
    for (size_t size = 0; size < FORM_SIZE - 2; size++) {
        struct multipart parts = {.n = 77};
        struct lm_error error = {0};
        assert_int_equal(parse(FORM_TYPE, form, size, &parts, &error), LM_CORRUPT);
        assert_true(error.text[0]);
        assert_int_equal(parts.n, 77);
    }
    struct multipart parts;
    assert_int_equal(parse(FORM_TYPE, form, FORM_SIZE - 2, &parts, NULL), LM_OK);
    for (size_t i = 0; i < FORM_SIZE; i++) { /* any result will do, but no fault */
        char copy[sizeof form];
        memcpy(copy, form, sizeof form);
        copy[i] = (char)(copy[i] ^ 0x15);
        parse(FORM_TYPE, copy, FORM_SIZE, &parts, NULL);
    }
}

static void expect_form_error(const char *type, const char *body, enum lm_status status,
                              const char *text)
{
    struct multipart parts;
    struct lm_error error = {0};
    assert_int_equal(parse(type, body, strlen(body), &parts, &error), status);
    assert_string_equal(error.text, text);
}

#define PART(headers) "--xYz\r\n" headers "\r\n\r\nx\r\n--xYz--"

static void test_multipart_errors(void **state)
{
    (void)state;
    const char *boundary = "multipart/form-data needs a boundary of 1 to 70 characters";
    expect_form_error("image/png", "", LM_INVALID, "the content type is not multipart/form-data");
    expect_form_error("multipart/form-data", "", LM_INVALID, boundary);
    expect_form_error("multipart/form-data; boundary=\"a{b\"", "", LM_INVALID, boundary);
    expect_form_error("multipart/form-data; boundary=\"ab \"", "", LM_INVALID, boundary);
    expect_form_error(FORM_TYPE, "preamble\r\n--xYz--", LM_CORRUPT,
                      "the body does not start with its boundary");
    expect_form_error(FORM_TYPE, "--xYz--\r\nmore", LM_CORRUPT,
                      "4 bytes follow the closing boundary");
    expect_form_error(FORM_TYPE, PART("Content-Type: a/b"), LM_CORRUPT,
                      "part 0: no Content-Disposition");
    expect_form_error(FORM_TYPE, PART("Content-Disposition: attachment; name=a"), LM_CORRUPT,
                      "part 0: Content-Disposition is not form-data");
    expect_form_error(FORM_TYPE, PART("Content-Disposition: form-data"), LM_CORRUPT,
                      "part 0: no name, or one over 255 bytes");
    expect_form_error(FORM_TYPE, PART("Content-Disposition: form-data; name=\"\xff\""), LM_CORRUPT,
                      "part 0: the name is not UTF-8");
    expect_form_error(FORM_TYPE, PART("Content-Disposition: form-data; name=a\r\n folded"),
                      LM_CORRUPT, "part 0: a malformed header line");
    expect_form_error(
        FORM_TYPE,
        PART("Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b"),
        LM_CORRUPT, "part 0: two Content-Disposition headers");
    expect_form_error(
        FORM_TYPE,
        PART("Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64"),
        LM_CORRUPT, "part 0: Content-Transfer-Encoding must be binary");
    char many[1000] = "", long_one[6000] = "--xYz\r\nX: ";
    for (int i = 0; i < 9; i++)
        strcat(many, "--xYz\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n");
    expect_form_error(FORM_TYPE, many, LM_LIMIT, "the body has more than 8 parts");
    memset(long_one + strlen(long_one), 'y', 5000);
    strcat(long_one, "\r\n");
    expect_form_error(FORM_TYPE, long_one, LM_LIMIT,
                      "part 0: headers are over the limit of 4096 bytes");
}

static void test_problem(void **state)
{
    (void)state;
    struct problem problem = {.status = 404, .detail = "no such model: \"gr\xc3\xbc\"\n\xff"};
    char *json = problem_json(&problem, "id-1");
    assert_string_equal(
        json, "{\"type\": \"about:blank\", \"title\": \"Not Found\", \"status\": 404, "
              "\"detail\": \"no such model: \\\"gr\xc3\xbc\\\"\\u000a?\", \"instance\": \"id-1\", "
              "\"error\": \"no such model: \\\"gr\xc3\xbc\\\"\\u000a?\"}\n");
    free(json);
    static const struct problem_field fields[] = {{"/instances/0/hide", "is empty"},
                                                  {"/parameters/k~1", "is unknown"}};
    problem = (struct problem){.status = 422,
                               .type = "https://example.org/empty",
                               .title = "Empty region",
                               .fields = fields,
                               .n_fields = 2};
    json = problem_json(&problem, "id-2");
    assert_string_equal(
        json, "{\"type\": \"https://example.org/empty\", \"title\": \"Empty region\", "
              "\"status\": 422, \"detail\": \"Empty region\", \"instance\": \"id-2\", "
              "\"error\": \"Empty region\", \"errors\": [{\"pointer\": \"/instances/0/hide\", "
              "\"detail\": \"is empty\"}, {\"pointer\": \"/parameters/k~1\", "
              "\"detail\": \"is unknown\"}]}\n");
    free(json);
    static const struct {
        int status;
        const char *title;
    } table[] = {{400, "Bad Request"},
                 {401, "Unauthorized"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {406, "Not Acceptable"},
                 {409, "Conflict"},
                 {413, "Content Too Large"},
                 {415, "Unsupported Media Type"},
                 {422, "Unprocessable Content"},
                 {429, "Too Many Requests"},
                 {501, "Not Implemented"},
                 {503, "Service Unavailable"},
                 {504, "Gateway Timeout"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_string_equal(problem_title(table[i].status), table[i].title);
    assert_int_equal(problem_status(LM_LIMIT), 413);
    assert_int_equal(problem_status(LM_CORRUPT), 422);
}

/* SHA-256 of "secret-a" and "secret-b", from sha256sum. */
#define HASH_A "8766b9cb08e6040b704f1e3ee1e186efccf2635b1d2634d6525333007e6aeae1"
#define HASH_B "ff492ef788c89b555e6f738b33d2422f57dbb6656af2402155672c5f123a90af"
static const char keys_text[] =
    "[{\"id\": \"alice\", \"sha256\": \"" HASH_A "\", \"scopes\": [\"predict\", \"explain\"],"
    "  \"comment\": \"laptop\"},"
    " {\"id\": \"bob\", \"sha256\": \"" HASH_B "\", \"scopes\": [\"admin\"],"
    "  \"rate\": {\"per_second\": 2, \"burst\": 3}}]";

static void test_auth(void **state)
{
    (void)state;
    struct auth_keys *keys = NULL;
    assert_int_equal(auth_parse("keys", keys_text, strlen(keys_text), &keys, NULL), LM_OK);
    struct auth_identity who = {0};
    assert_int_equal(auth_check(keys, NULL, &who), AUTH_MISSING);
    assert_int_equal(auth_check(keys, "Bearer secret-a", &who), AUTH_OK);
    assert_string_equal(who.id, "alice");
    assert_int_equal(who.scopes, HTTP_SCOPE_PREDICT | HTTP_SCOPE_EXPLAIN);
    assert_int_equal(auth_check(keys, "basic YW55OnNlY3JldC1i", &who), AUTH_OK); /* any:secret-b */
    assert_string_equal(who.id, "bob");
    assert_int_equal(auth_check(keys, "Basic OnNlY3JldC1i", &who), AUTH_OK); /* :secret-b */
    const char *const wrong[] = {
        "",         "Bearer",         "Bearer ", "Bearer secret",   "secret-a",
        "Basic !!", "Basic c2VjcmV0", "Basic",   "Digest secret-a", "Bearer secret-a "};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(auth_check(keys, wrong[i], &who), AUTH_WRONG);
    char huge[5000] = "Bearer ";
    memset(huge + 7, 'x', 4900);
    assert_int_equal(auth_check(keys, huge, &who), AUTH_WRONG);
    memcpy(huge, "Basic  ", 7);
    assert_int_equal(auth_check(keys, huge, &who), AUTH_WRONG);
    auth_free(keys);
}

static void test_rate(void **state)
{
    (void)state;
    struct auth_keys *keys = NULL, *fresh = NULL;
    unsigned wait_s = 0;
    assert_int_equal(auth_parse("keys", keys_text, strlen(keys_text), &keys, NULL), LM_OK);
    for (int i = 0; i < 100; i++)
        assert_true(auth_take(keys, 0, 1000, &wait_s));
    for (int i = 0; i < 3; i++)
        assert_true(auth_take(keys, 1, 1000, &wait_s));
    assert_false(auth_take(keys, 1, 1000, &wait_s));
    assert_int_equal(wait_s, 1);
    assert_false(auth_take(keys, 1, 1400, &wait_s));
    assert_true(auth_take(keys, 1, 1500, &wait_s));
    assert_false(auth_take(keys, 1, 1400, &wait_s)); /* a clock that goes back gives nothing */
    assert_int_equal(auth_parse("keys", keys_text, strlen(keys_text), &fresh, NULL), LM_OK);
    auth_carry_over(fresh, keys);
    assert_false(auth_take(fresh, 1, 1500, &wait_s));
    for (int i = 0; i < 3; i++)
        assert_true(auth_take(fresh, 1, 100000, &wait_s));
    assert_false(auth_take(fresh, 1, 100000, &wait_s));
    auth_free(keys);
    auth_free(fresh);
}

static void expect_keys_error(const char *text, const char *message)
{
    struct lm_error error = {0};
    struct auth_keys *keys = NULL;
    assert_int_equal(auth_parse("k.json", text, strlen(text), &keys, &error), LM_CORRUPT);
    assert_null(keys);
    assert_string_equal(error.text, message);
}

#define KEY(rest) "[{\"id\": \"a\", \"sha256\": \"" HASH_A "\", \"scopes\": []" rest "}]"

static void test_keys_errors(void **state)
{
    (void)state;
    expect_keys_error("[", "k.json: not JSON: line 1: ']' expected near end of file");
    expect_keys_error("{}", "k.json: must be a list of at least one key");
    expect_keys_error("[]", "k.json: must be a list of at least one key");
    expect_keys_error("[1]", "k.json: [0] must be an object");
    expect_keys_error("[{}]", "k.json: [0] needs id, sha256 and scopes");
    expect_keys_error("[{\"id\": \"\"}]", "k.json: [0].id must be a text of 1 to 64 bytes");
    expect_keys_error("[{\"key\": 1}]",
                      "k.json: [0] may have id, sha256, scopes, rate and comment");
    expect_keys_error("[{\"sha256\": \"12\"}]", "k.json: [0].sha256 must be 64 hexadecimal digits");
    expect_keys_error("[{\"scopes\": [\"all\"]}]",
                      "k.json: [0].scopes may have predict, explain and admin");
    expect_keys_error("[{\"scopes\": \"predict\"}]", "k.json: [0].scopes must be a list");
    expect_keys_error(KEY(", \"rate\": 1"), "k.json: [0].rate must be an object");
    expect_keys_error(KEY(", \"rate\": {}"),
                      "k.json: [0].rate.per_second must be above 0 and at most 1000000");
    expect_keys_error(KEY(", \"rate\": {\"per_second\": 1, \"burst\": 0}"),
                      "k.json: [0].rate.burst must be from 1 to 1000000");
    expect_keys_error("[{\"id\": \"a\", \"sha256\": \"" HASH_A "\", \"scopes\": []},"
                      " {\"id\": \"a\", \"sha256\": \"" HASH_B "\", \"scopes\": []}]",
                      "k.json: [1].id is there twice");
    expect_keys_error("[{\"id\": \"a\", \"sha256\": \"" HASH_A "\", \"scopes\": []},"
                      " {\"id\": \"b\", \"sha256\": \"" HASH_A "\", \"scopes\": []}]",
                      "k.json: [1].sha256 is there twice");
    struct auth_keys *keys = NULL;
    struct lm_error error = {0};
    assert_int_equal(auth_load("/nonexistent/keys.json", &keys, &error), LM_IO);
    assert_string_equal(error.text, "/nonexistent/keys.json: No such file or directory");
}

static void handle(struct http_exchange *exchange, void *context)
{
    (void)exchange;
    (void)context;
}

static const struct http_route routes[] = {
    {.methods = "GET", .pattern = "/", .handle = handle},
    {.methods = "GET", .pattern = "/v1/models/{model}", .handle = handle},
    {.methods = "POST", .pattern = "/v1/models/{model}:predict", .handle = handle},
    {.methods = "GET", .pattern = "/v1/jobs/{id}", .handle = handle},
    {.methods = "DELETE", .pattern = "/v1/jobs/{id}", .handle = handle},
    {.methods = "GET", .pattern = "/v1/jobs/latest", .handle = handle},
    {.methods = "GET POST", .pattern = "/v2/models/{m}/versions/{v}", .handle = handle},
};
#define N_ROUTES (sizeof routes / sizeof *routes)

static struct router_match look(const char *method, const char *target)
{
    static char buffers[2][256];
    static struct router *router;
    struct uri_path path;
    struct router_match match;
    router_free(router);
    router = NULL;
    if (!method)
        return (struct router_match){0};
    assert_int_equal(router_new(routes, N_ROUTES, &router, NULL), LM_OK);
    assert_int_equal(uri_split(target, buffers[0], &path), URI_OK);
    router_match(router, method, &path, buffers[1], &match);
    return match;
}

static void test_router(void **state)
{
    (void)state;
    struct router_match match = look("GET", "/v1/models/cat");
    assert_int_equal(match.status, 200);
    assert_string_equal(match.route->pattern, "/v1/models/{model}");
    assert_string_equal(match.parameters[0].name, "model");
    assert_string_equal(match.parameters[0].value, "cat");
    match = look("POST", "/v1/models/a%3Ab%20c:predict");
    assert_int_equal(match.status, 200);
    assert_string_equal(match.parameters[0].value, "a:b c");
    match = look("GET", "/v1/models/cat:predict");
    assert_int_equal(match.status, 405);
    assert_string_equal(match.allow, "POST, OPTIONS");
    assert_int_equal(look("POST", "/v1/models/cat:frobnicate").status, 404);
    assert_int_equal(look("POST", "/v1/models/:predict").status, 404);
    assert_int_equal(look("GET", "/v1/models").status, 404);
    assert_int_equal(look("GET", "/v1/models/a%2Fb").status, 400);
    match = look("DELETE", "/v1/jobs/17");
    assert_int_equal(match.status, 200);
    assert_string_equal(match.route->methods, "DELETE");
    match = look("PUT", "/v1/jobs/17");
    assert_int_equal(match.status, 405);
    assert_string_equal(match.allow, "GET, HEAD, DELETE, OPTIONS");
    match = look("DELETE", "/v1/jobs/latest");
    assert_int_equal(match.status, 405);
    assert_string_equal(match.allow, "GET, HEAD, OPTIONS");
    assert_int_equal(look("HEAD", "/").status, 200);
    match = look("POST", "/v2/models/a/versions/3/");
    assert_int_equal(match.n_parameters, 2);
    assert_string_equal(match.parameters[1].name, "v");
    assert_string_equal(match.parameters[1].value, "3");
    look(NULL, NULL);
}

static void test_router_errors(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "v1",
                                      "/a//b",
                                      "/{",
                                      "/{}",
                                      "/{a}b",
                                      "/{a}:",
                                      "/x{a}",
                                      "/a/",
                                      "/{A}",
                                      "/{a}/{b}/{c}/{d}/{e}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct http_route route = {.methods = "GET", .pattern = bad[i], .handle = handle};
        struct router *router = NULL;
        struct lm_error error = {0};
        char text[100];
        assert_int_equal(router_new(&route, 1, &router, &error), LM_INVALID);
        snprintf(text, sizeof text, "routes[0]: GET %s is not a route", bad[i]);
        assert_string_equal(error.text, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_uri_decode),
        cmocka_unit_test(test_uri_split),
        cmocka_unit_test(test_uri_query),
        cmocka_unit_test(test_media),
        cmocka_unit_test(test_negotiate_type),
        cmocka_unit_test(test_negotiate_gzip_and_prefer),
        cmocka_unit_test(test_encoding),
        cmocka_unit_test(test_multipart),
        cmocka_unit_test(test_multipart_prefixes),
        cmocka_unit_test(test_multipart_errors),
        cmocka_unit_test(test_problem),
        cmocka_unit_test(test_auth),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_keys_errors),
        cmocka_unit_test(test_router),
        cmocka_unit_test(test_router_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
