/* Every error that the contract knows: status, title, detail, field, headers. */
#include "client.h"

#define SMALL "tests/golden/images/exif_1.png" /* 27 x 19 */

static const char *const limits[] = {"--workers",
                                     "1",
                                     "--max-instances",
                                     "3",
                                     "--max-masks",
                                     "2",
                                     "--max-samples",
                                     "500",
                                     "--max-segments",
                                     "60",
                                     "--max-regions",
                                     "4",
                                     "--max-pixels",
                                     "1000",
                                     "--max-image-bytes",
                                     "20k",
                                     "--max-body-bytes",
                                     "200k",
                                     "--max-small-body-bytes",
                                     "1k",
                                     "--max-json-depth",
                                     "8",
                                     "--max-url-bytes",
                                     "512",
                                     "--max-header-bytes",
                                     "2k",
                                     "--max-headers",
                                     "20",
                                     NULL};

static int start(void **state)
{
    return daemon_shared_start(state, limits);
}

/* The text with IMAGE, HALF and MASK (of another size) replaced by pictures in base64. */
static char *expand(const char *text)
{
    size_t size;
    char *bytes = file_bytes(SMALL, &size);
    const struct {
        const char *name;
        char *value;
    } words[] = {
        {"IMAGE", base64(bytes, size)},
        {"HALF", base64(bytes, size / 2)},
        {"MASK", file_base64("tests/golden/images/size_5x3.png")},
        {"LARGE", file_base64(EXAMPLES "star.mask.png")},
    };
    struct bytes out = {NULL, 0};
    bytes_add((char *)(uintptr_t) "", 1, 0, &out);
    while (*text) {
        size_t n = 1;
        const char *add = text;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (strncmp(text, words[i].name, strlen(words[i].name)) == 0) {
                n = strlen(words[i].name);
                add = words[i].value;
            }
        bytes_add((char *)(uintptr_t)add, 1, add == text ? 1 : strlen(add), &out);
        text += n;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        free(words[i].value);
    free(bytes);
    return out.bytes;
}

struct error_case {
    const char *path, *body;
    int status;
    const char *detail, *pointer;
    const char *type; /* NULL: application/json */
};

static void expect_cases(const struct daemon *daemon, const struct error_case *cases, size_t n)
{
    int failed = 0;
    for (size_t i = 0; i < n; i++) {
        char type[200], *body = cases[i].body ? expand(cases[i].body) : NULL;
        snprintf(type, sizeof type, "Content-Type: %s",
                 cases[i].type ? cases[i].type : "application/json");
        struct answer answer = ask(daemon, (struct ask){.path = cases[i].path,
                                                        .headers = HEADERS(type),
                                                        .body = body,
                                                        .size = body ? strlen(body) : 0});
        if (!problem_is(&answer, cases[i].status, cases[i].detail, cases[i].pointer)) {
            print_error("%s %.200s\nexpected %d %s %s\n", cases[i].path,
                        cases[i].body ? cases[i].body : "", cases[i].status, cases[i].detail,
                        cases[i].pointer ? cases[i].pointer : "no pointer");
            answer_show(&answer);
            failed++;
        }
        answer_free(&answer);
        free(body);
    }
    assert_int_equal(failed, 0);
}

#define CASES(cases) cases, sizeof cases / sizeof *cases
#define ONE(members) "{\"instances\": [{\"image\": {\"b64\": \"IMAGE\"}" members "}]}"
#define WITH(parameters)                                                                           \
    "{\"instances\": [{\"image\": {\"b64\": \"IMAGE\"}}], \"parameters\": {" parameters "}}"
#define MASKINGS "none of layer, black, grey, mean, blur, color:#rrggbb"
#define SHAPES "png, rle, polygon, box, segments"

/* 400: what is no JSON, of a wrong type, or unknown. */
static void malformed(void **state)
{
    static const struct error_case cases[] = {
        {PREDICT, "", 400, "JSON: the body is empty, it must be an object", NULL, NULL},
        {PREDICT, "{", 400, "JSON: string or '}' expected near end of file (line 1, column 1)",
         NULL, NULL},
        {PREDICT, "[1]", 400, "the body must be an object, not a list", NULL, NULL},
        {PREDICT, "{\"instances\": [NaN]}", 400,
         "JSON: invalid token near 'NaN' (line 1, column 18)", NULL, NULL},
        {PREDICT, "{\"a\": 1, \"a\": 2}", 400,
         "JSON: duplicate object key near '\"a\"' (line 1, column 12)", NULL, NULL},
        {PREDICT, "{\"a\": [[[[[[[[1]]]]]]]]}", 400,
         "JSON: more than the limit of 8 lists and objects inside each other (line 1, column 14)",
         NULL, NULL},
        {PREDICT, "{}", 400, "instances is missing, it must be a list of objects", "/instances",
         NULL},
        {PREDICT, "{\"instances\": 5}", 400, "instances must be a list of objects, not an integer",
         "/instances", NULL},
        {PREDICT, "{\"instances\": [5]}", 400, "instance must be an object, not an integer",
         "/instances/0", NULL},
        {PREDICT, "{\"instances\": [], \"extra\": 1}", 400,
         "request has the unknown field \"extra\"", "/extra", NULL},
        {PREDICT, ONE(", \"colour\": 1"), 400, "instance has the unknown field \"colour\"",
         "/instances/0/colour", NULL},
        {PREDICT, "{\"instances\": [{}]}", 400,
         "image is missing, it must be {\"b64\": \"...\"} or a string of base64",
         "/instances/0/image", NULL},
        {PREDICT, "{\"instances\": [{\"image\": 7}]}", 400,
         "image must be {\"b64\": \"...\"} or a string of base64, not an integer",
         "/instances/0/image", NULL},
        {PREDICT, "{\"instances\": [{\"image\": {\"b64\": null}}]}", 400,
         "b64 must be a string of base64, not null", "/instances/0/image/b64", NULL},
        {PREDICT, "{\"instances\": [{\"image\": {\"url\": \"x\"}}]}", 400,
         "image has the unknown field \"url\"", "/instances/0/image/url", NULL},
        {PREDICT, ONE(", \"data\": \"IMAGE\""), 400, "image and data cannot both be given",
         "/instances/0/data", NULL},
        {PREDICT, ONE(", \"hide\": {\"box\": [1, 1, 5, 5]}, \"keep\": {\"box\": [1, 1, 5, 5]}"),
         400, "hide and keep cannot both be given", "/instances/0/keep", NULL},
        {PREDICT, ONE(", \"hide\": 5"), 400,
         "region must be an object with one of " SHAPES ", not an integer", "/instances/0/hide",
         NULL},
        {PREDICT, ONE(", \"hide\": {\"circle\": 5}"), 400,
         "region has the unknown field \"circle\"", "/instances/0/hide/circle", NULL},
        {PREDICT, ONE(", \"hide\": {\"box\": [1, 2, 3]}"), 400,
         "box must have 4 numbers (x, y, width, height), not 3", "/instances/0/hide/box", NULL},
        {PREDICT, ONE(", \"hide\": [{\"box\": [1, 2, 3, 4]}, {\"box\": [1, 2, \"3\", 4]}]"), 400,
         "box must be made of numbers, not a string", "/instances/0/hide/1/box/2", NULL},
        {PREDICT, ONE(", \"masking\": 5"), 400, "masking must be a string, not an integer",
         "/instances/0/masking", NULL},
        {PREDICT, ONE(", \"masks\": {}"), 400,
         "masks must be a list of objects with hide or keep, not an object", "/instances/0/masks",
         NULL},
        {PREDICT, WITH("\"topk\": 3"), 400, "parameters has the unknown field \"topk\"",
         "/parameters/topk", NULL},
        {PREDICT, WITH("\"top_k\": 1.5"), 400,
         "top_k must be an integer, not a number with a fraction", "/parameters/top_k", NULL},
        {PREDICT, WITH("\"logits\": 1"), 400, "logits must be true or false, not an integer",
         "/parameters/logits", NULL},
        {PREDICT, "{\"parameters\": []}", 400, "parameters must be an object, not a list",
         "/parameters", NULL},
        {EXPLAIN, WITH("\"samples\": \"many\""), 400,
         "parameters.samples must be a whole number, not a string", "/parameters/samples", NULL},
        {EXPLAIN, WITH("\"smaples\": 5"), 400, "parameters has the unknown field \"smaples\"",
         "/parameters/smaples", NULL},
        {EXPLAIN, WITH("\"segmentation\": {\"segments\": 5}"), 400,
         "segmentation has the unknown field \"segments\"", "/parameters/segmentation/segments",
         NULL},
        {EXPLAIN, WITH("\"include\": 5"), 400,
         "parameters.include must be a list of strings, not an integer", "/parameters/include",
         NULL},
        {PREDICT "?top_k=3&top_k=4", "", 400, "parameters.top_k is given twice",
         "/parameters/top_k", "image/png"},
        {PREDICT "?top_k=%zz", "", 400,
         "the query has a broken percent escape, control characters, text that is not UTF-8, or "
         "more than 64 parameters",
         NULL, "image/png"},
    };
    expect_cases(*state, CASES(cases));
}

#define FORM "multipart/form-data; boundary=b"
#define PART(name, text) "--b\r\nContent-Disposition: form-data; name=" name "\r\n\r\n" text "\r\n"

static void malformed_forms(void **state)
{
    static const struct error_case cases[] = {
        {PREDICT, "x", 400, "multipart/form-data needs a boundary of 1 to 70 characters", NULL,
         "multipart/form-data"},
        {PREDICT, "x", 400, "the body does not start with its boundary", NULL, FORM},
        {PREDICT, PART("image", "x"), 400, "part 0: the closing boundary is missing", NULL, FORM},
        {PREDICT, PART("mask", "x") "--b--\r\n", 400,
         "the form has the unknown part \"mask\"; there are image, hide, keep and parameters", NULL,
         FORM},
        {PREDICT, PART("parameters", "{}") "--b--\r\n", 400, "the form has no part called image",
         NULL, FORM},
        {PREDICT, PART("image", "x") PART("image", "x") "--b--\r\n", 400,
         "there are two parts called image", NULL, FORM},
        {PREDICT, PART("image", "x") PART("parameters", "{]") "--b--\r\n", 400,
         "JSON: string or '}' expected near ']' (line 1, column 2)", "/parameters", FORM},
        {PREDICT, PART("image", "x") PART("parameters", "[]") "--b--\r\n", 400,
         "parameters must be an object, not a list", "/parameters", FORM},
        {PREDICT, PART("image", "x") PART("parameters", "") "--b--\r\n", 400,
         "JSON: parameters is empty, it must be an object", "/parameters", FORM},
        {PREDICT, PART("image", "x") PART("hide", "x") PART("keep", "x") "--b--\r\n", 400,
         "hide and keep cannot both be given", "/keep", FORM},
    };
    expect_cases(*state, CASES(cases));
}

/* 422: well-formed, but it cannot be done. */
static void unusable(void **state)
{
    static const struct error_case cases[] = {
        {PREDICT, "{\"instances\": []}", 422, "instances: the list is empty", "/instances", NULL},
        {PREDICT, "{\"instances\": [{\"image\": {\"b64\": \"\"}}]}", 422,
         "image is empty (0 bytes)", "/instances/0/image/b64", NULL},
        {PREDICT, "{\"instances\": [{\"image\": {\"b64\": \"!\"}}]}", 422,
         "b64: character 0 ('!') is not base64", "/instances/0/image/b64", NULL},
        {PREDICT, "{\"instances\": [{\"image\": {\"b64\": \"aGVsbG8=\"}}]}", 422,
         "image is neither JPEG nor PNG", "/instances/0/image/b64", NULL},
        {PREDICT, "{\"instances\": [{\"image\": {\"b64\": \"R0lGODlhAQABAAAAACw=\"}}]}", 422,
         "image is GIF; JPEG and PNG are supported", "/instances/0/image/b64", NULL},
        {PREDICT, "{\"instances\": [{\"image\": {\"b64\": \"HALF\"}}]}", 422,
         "image is not a valid PNG: the file ends too early", "/instances/0/image/b64", NULL},
        {PREDICT, "not a picture", 422, "image is neither JPEG nor PNG", "/image", "image/png"},
        {PREDICT, ONE(", \"hide\": {\"box\": [100, 100, 5, 5]}"), 422,
         "region is empty: no pixel of the 27x19 picture is in it", "/instances/0/hide", NULL},
        {PREDICT, ONE(", \"hide\": {\"box\": [0, 0, 3, 19]}"), 422,
         "region is not seen: it lies in the part of the picture that the crop cuts off; the "
         "network sees x 4 to 22, y 0 to 18",
         "/instances/0/hide", NULL},
        {PREDICT, ONE(", \"hide\": []"), 422, "region: the list of regions is empty",
         "/instances/0/hide", NULL},
        {PREDICT, ONE(", \"hide\": {\"png\": \"MASK\"}"), 422,
         "mask is 5 x 3 pixels, the image is 27 x 19", "/instances/0/hide/png", NULL},
        {PREDICT, ONE(", \"hide\": {\"rle\": {\"size\": [27, 19], \"counts\": [513]}}"), 422,
         "rle: size (height, width) is [27, 19], that of what it masks is [19, 27]",
         "/instances/0/hide/rle/size", NULL},
        {PREDICT,
         ONE(", \"hide\": {\"segments\": [0, 9], \"segmentation\": {\"method\": \"grid\", "
             "\"rows\": 3, \"columns\": 3}}"),
         422, "segments: 9 is not a segment, the segmentation has 9, 0 to 8",
         "/instances/0/hide/segments/1", NULL},
        {PREDICT, ONE(", \"hide\": {\"box\": [5, 5, 5, 5], \"space\": \"screen\"}"), 422,
         "space must be \"image\" or \"input\", not \"screen\"", "/instances/0/hide/space", NULL},
        {PREDICT, ONE(", \"masking\": \"white\""), 422, "masking: \"white\" is " MASKINGS,
         "/instances/0/masking", NULL},
        {PREDICT, WITH("\"masking\": \"color:red\""), 422, "masking: \"color:red\" is " MASKINGS,
         "/parameters/masking", NULL},
        {PREDICT, WITH("\"top_k\": 0"), 422, "top_k is 0, it must be 1 or more",
         "/parameters/top_k", NULL},
        {PREDICT, ONE(", \"masks\": []"), 422, "masks: the list is empty", "/instances/0/masks",
         NULL},
        {EXPLAIN, WITH("\"method\": \"magic\""), 422,
         "parameters.method must be \"lime\", not \"magic\"", "/parameters/method", NULL},
        {EXPLAIN, WITH("\"segmentation\": {\"max_num_iter\": 1001}"), 422,
         "segmentation.max_num_iter is 1001; must be from 1 to 1000",
         "/parameters/segmentation/max_num_iter", NULL},
        {EXPLAIN, WITH("\"segmentation\": {\"method\": \"magic\"}"), 422,
         "segmentation.method must be \"slic\", \"grid\" or \"custom\", not \"magic\"",
         "/parameters/segmentation/method", NULL},
        {EXPLAIN, WITH("\"samples\": 0"), 422, "parameters.samples is 0; must be from 1 to 500",
         "/parameters/samples", NULL},
        {EXPLAIN, WITH("\"labels\": [10]"), 422,
         "labels: 10 is not an output of the network, 0 to 9", "/parameters/labels/0", NULL},
        {EXPLAIN, WITH("\"include\": [\"music\"]"), 422,
         "include: \"music\" is none of segments, heatmap, overlay, samples, timing",
         "/parameters/include/0", NULL},
    };
    expect_cases(*state, CASES(cases));
}

/* 413: above a limit, which the detail names. */
static void above_limits(void **state)
{
    static const struct error_case cases[] = {
        {PREDICT,
         "{\"instances\": [{\"image\": \"IMAGE\"}, {\"image\": \"IMAGE\"}, {\"image\": \"IMAGE\"}, "
         "{\"image\": \"IMAGE\"}]}",
         413, "instances: 4 are over the limit of 3", "/instances", NULL},
        {PREDICT, "{\"instances\": [{\"image\": {\"b64\": \"LARGE\"}}]}", 413,
         "image is 240 x 240 pixels, above the limit of 1000 pixels", "/instances/0/image/b64",
         NULL},
        {PREDICT,
         ONE(", \"masks\": [{\"hide\": {\"box\": [5, 5, 5, 5]}}, {\"hide\": {\"box\": [5, 5, 5, "
             "5]}}, {\"hide\": {\"box\": [5, 5, 5, 5]}}]"),
         413, "masks: 3 are over the limit of 2", "/instances/0/masks", NULL},
        {PREDICT,
         ONE(", \"hide\": [{\"box\": [5, 5, 5, 5]}, {\"box\": [5, 5, 5, 5]}, {\"box\": [5, 5, 5, "
             "5]}, {\"box\": [5, 5, 5, 5]}, {\"box\": [5, 5, 5, 5]}]"),
         413, "regions: more than the limit of 4 in one request", "/instances/0/hide/4", NULL},
        {EXPLAIN, WITH("\"samples\": 501"), 413,
         "parameters.samples is 501, above the limit of 500", "/parameters/samples", NULL},
        {EXPLAIN, WITH("\"segmentation\": {\"n_segments\": 200}"), 413,
         "segmentation: 162 segments, the limit is 60", "/parameters/segmentation", NULL},
    };
    expect_cases(*state, CASES(cases));
    char *much = malloc(300000);
    memset(much, ' ', 300000);
    struct answer answer = ask(*state, (struct ask){.path = PREDICT, .body = much, .size = 204801});
    assert_problem(&answer, 413, "the body's 204801 bytes are over the limit of 204800", NULL);
    answer_free(&answer);
    answer = ask(*state, (struct ask){.path = PREDICT,
                                      .headers = HEADERS("Content-Type: image/png"),
                                      .body = much,
                                      .size = 20481});
    assert_problem(&answer, 413, "image: 20481 bytes are over the limit of 20480", "/image");
    answer_free(&answer);
    answer = ask(*state, (struct ask){.path = "/v2/repository/index", .body = much, .size = 1025});
    assert_problem(&answer, 413, "the body's 1025 bytes are over the limit of 1024", NULL);
    answer_free(&answer);
    free(much);
}

/* 501: known, but not there yet. */
static void not_built(void **state)
{
    static const struct error_case cases[] = {
        {EXPLAIN, WITH("\"method\": \"rise\""), 501,
         "parameters.method \"rise\" is not available yet; \"lime\" is", "/parameters/method",
         NULL},
        {EXPLAIN, WITH("\"method\": \"kernel_shap\""), 501,
         "parameters.method \"kernel_shap\" is not available yet; \"lime\" is",
         "/parameters/method", NULL},
        {EXPLAIN, WITH("\"method\": \"occlusion\""), 501,
         "parameters.method \"occlusion\" is not available yet; \"lime\" is", "/parameters/method",
         NULL},
        {EXPLAIN, WITH("\"segmentation\": {\"method\": \"quickshift\"}"), 501,
         "segmentation.method \"quickshift\" is not available yet; \"slic\", \"grid\" and "
         "\"custom\" are",
         "/parameters/segmentation/method", NULL},
        {PREDICT,
         ONE(", \"hide\": {\"segments\": [1], \"segmentation\": {\"method\": \"felzenszwalb\"}}"),
         501,
         "segmentation.method \"felzenszwalb\" is not available yet; \"slic\", \"grid\" and "
         "\"custom\" are",
         "/instances/0/hide/segmentation/method", NULL},
        {PREDICT, ONE(", \"hide\": [{\"segments\": [1], \"segmentation\": \"quickshift:9\"}]"), 501,
         "segmentation.method \"quickshift\" is not available yet; \"slic\", \"grid\" and "
         "\"custom\" are",
         "/instances/0/hide/0/segmentation", NULL},
        {EXPLAIN, WITH("\"samples\": \"auto\""), 501,
         "parameters.samples \"auto\" is not available yet; a number is", "/parameters/samples",
         NULL},
        {EXPLAIN, WITH("\"deadline_ms\": 100"), 501, "parameters.deadline_ms is not available yet",
         "/parameters/deadline_ms", NULL},
        {EXPLAIN, WITH("\"include\": [\"evaluation\"]"), 501,
         "parameters.include \"evaluation\" is not available yet", "/parameters/include/0", NULL},
        {"/v1/models/shapes:missingness", "{}", 501, "missingness reports are not available yet",
         NULL, NULL},
    };
    expect_cases(*state, CASES(cases));
}

/* 404, 405, 406, 415. */
static void wrong_ways(void **state)
{
    static const struct error_case cases[] = {
        {"/v1/models/unknown:predict", "{}", 404,
         "there is no model called \"unknown\"; GET /v1/models lists them", NULL, NULL},
        {"/v1/models/unknown", NULL, 404,
         "there is no model called \"unknown\"; GET /v1/models lists them", NULL, NULL},
        {"/v1/models/shapes:guess", "{}", 404, "there is nothing at this path", NULL, NULL},
        {"/nowhere", NULL, 404, "there is nothing at this path", NULL, NULL},
        {"/v1//models", NULL, 404, "there is nothing at this path", NULL, NULL},
        {"/v1/models/%2e%2e%2fx", NULL, 400, "a name in the path has a slash", NULL, NULL},
        {"/v1/models/%ff", NULL, 400,
         "the path has a broken percent escape, control characters or text that is not UTF-8", NULL,
         NULL},
        {PREDICT, "GIF89a", 415,
         "cannot read a body of type image/gif; send application/json, multipart/form-data, "
         "image/jpeg or image/png",
         NULL, "image/gif"},
        {"/v2/models/shapes/infer", "x", 415,
         "cannot read a body of type text/plain; send application/json or "
         "application/octet-stream",
         NULL, "text/plain"},
        {"/v1/jobs?limit=1&limit=2", NULL, 400, "the query has limit twice", NULL, NULL},
        {"/v1/jobs?limit=0", NULL, 400, "limit is \"0\"; must be a whole number from 1 to 1000",
         NULL, NULL},
        {"/v1/jobs?state=done", NULL, 400,
         "the query has the unknown parameter \"state\"; there are status, limit and cursor", NULL,
         NULL},
        {"/v1/jobs?status=done", NULL, 400,
         "status is \"done\"; must be queued, running, succeeded, failed or cancelled", NULL, NULL},
    };
    expect_cases(*state, CASES(cases));
    static const struct {
        const char *method, *path, *allow;
    } methods[] = {
        {"PUT", "/v1/models", "GET, HEAD, OPTIONS"},
        {"GET", PREDICT, "POST, OPTIONS"},
        {"POST", "/v1/jobs/1", "GET, HEAD, DELETE, OPTIONS"},
        {"DELETE", "/livez", "GET, HEAD, OPTIONS"},
    };
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char detail[100];
        struct answer answer =
            ask(*state, (struct ask){.path = methods[i].path, .method = methods[i].method});
        snprintf(detail, sizeof detail, "this path takes %s", methods[i].allow);
        assert_problem(&answer, 405, detail, NULL);
        assert_header(&answer, "Allow", methods[i].allow);
        answer_free(&answer);
    }
    struct answer answer = ask(*state, (struct ask){.path = PREDICT,
                                                    .headers = HEADERS("Accept: image/png"),
                                                    .json = json_object()});
    assert_problem(&answer, 406, "Accept excludes all that there is: application/json", NULL);
    answer_free(&answer);
    answer = ask(*state, (struct ask){.path = EXPLAIN,
                                      .headers = HEADERS("Accept: text/html"),
                                      .json = json_object()});
    assert_problem(&answer, 406,
                   "Accept excludes all that there is: application/json, image/png, image/jpeg",
                   NULL);
    answer_free(&answer);
    answer = ask(*state, (struct ask){.path = PREDICT,
                                      .headers = HEADERS("Content-Encoding: br"),
                                      .json = json_object()});
    assert_problem(&answer, 415, "Content-Encoding can be gzip, deflate or identity", NULL);
    answer_free(&answer);
    answer = ask(*state, (struct ask){.path = PREDICT,
                                      .headers = HEADERS("Content-Encoding: gzip"),
                                      .json = json_object()});
    assert_problem(&answer, 400, "the body is not what its Content-Encoding says", NULL);
    answer_free(&answer);
    static const char *const timeouts[] = {"Request-Timeout: soon", "Request-Timeout: 0x10",
                                           "Request-Timeout: 0",    "Request-Timeout: -1",
                                           "Request-Timeout: nan",  "Request-Timeout: 1000001"};
    char text[200];
    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++) {
        answer = ask(
            *state,
            (struct ask){.path = PREDICT, .headers = HEADERS(timeouts[i]), .json = json_object()});
        snprintf(text, sizeof text,
                 "Request-Timeout is \"%s\"; must be a number of seconds above 0, at most 1000000",
                 strchr(timeouts[i], ' ') + 1);
        assert_problem(&answer, 400, text, NULL);
        answer_free(&answer);
    }
}

static void heads_above_limits(void **state)
{
    char path[700] = "/", value[2200] = "X-Much: ";
    memset(path + 1, 'a', 600);
    struct answer answer = get(*state, path);
    assert_problem(&answer, 414, "the URL's 601 bytes are over the limit of 512", NULL);
    answer_free(&answer);
    memset(value + 8, 'b', 2100);
    answer = ask(*state, (struct ask){.path = "/livez", .headers = HEADERS(value)});
    assert_int_equal(answer.status, 431);
    answer_free(&answer);
    const char *many[25] = {0};
    for (size_t i = 0; i < 24; i++)
        many[i] = "X-One: 1";
    answer = ask(*state, (struct ask){.path = "/livez", .headers = many});
    assert_problem(&answer, 431, "the request has 20 header lines or more", NULL);
    answer_free(&answer);
}

/* The id of the request is in the problem: the caller's if it is fit for that. */
static void request_ids(void **state)
{
    struct answer answer =
        ask(*state, (struct ask){.path = "/nowhere", .headers = HEADERS("X-Request-Id: mine-1")});
    assert_header(&answer, "X-Request-Id", "mine-1");
    assert_text(answer.json, "instance", "mine-1");
    answer_free(&answer);
    answer = ask(*state,
                 (struct ask){.path = "/nowhere", .headers = HEADERS("X-Request-Id: not <fit>")});
    assert_int_equal(strlen(text_at(answer.json, "instance")), 32);
    answer_free(&answer);
    answer = get(*state, "/livez");
    assert_int_equal(strlen(answer_header(&answer, "X-Request-Id")), 32);
    answer_free(&answer);
}

/* 504: of a deadline in the header, and of the configured one. */
static void deadlines(void **state)
{
    struct answer answer =
        ask(*state, (struct ask){.path = EXPLAIN,
                                 .headers = HEADERS("Request-Timeout: 0.05"),
                                 .json = explanation(SMALL, few(500), "\"top_labels\": 10")});
    assert_problem(&answer, 504, "the request's deadline has passed", NULL);
    assert_true(answer.ms < patience_ms(2000));
    answer_free(&answer);
    struct daemon daemon = {0};
    daemon_start(&daemon, FLAGS("--compute-deadline", "50ms", "--workers", "1"));
    answer = post(&daemon, EXPLAIN, explanation(SMALL, 5000, NULL));
    assert_problem(&answer, 504, "the request's deadline has passed", NULL);
    answer_free(&answer);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed),          cmocka_unit_test(malformed_forms),
        cmocka_unit_test(unusable),           cmocka_unit_test(above_limits),
        cmocka_unit_test(not_built),          cmocka_unit_test(wrong_ways),
        cmocka_unit_test(heads_above_limits), cmocka_unit_test(request_ids),
        cmocka_unit_test(deadlines),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return cmocka_run_group_tests(tests, start, daemon_shared_stop);
}
