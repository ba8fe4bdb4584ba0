/* For tests of the whole service: requests by libcurl, JSON, and what answers must be.
 *
 *     struct answer answer = ask(daemon, (struct ask){.path = "/v1/models"});
 *     assert_status(&answer, 200);
 *     assert_string_equal(text_at(answer.json, "models.0"), "shapes");
 *     answer_free(&answer);
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <ctype.h>
#include <strings.h>

#include <curl/curl.h>

#include "daemon.h"

/* ---- asking */

struct ask {
    const char *path;
    const char *method;         /* NULL: POST with a body, else GET */
    const char *const *headers; /* "Name: value", ended by NULL */
    json_t *json;               /* the body; its reference is taken over */
    const void *body;
    size_t size;
    long timeout_ms; /* 0: 60 s */
    CURL *handle;    /* of a connection that is kept; NULL: a new one */
    const char *ca;  /* PEM file of who is trusted (https) */
};
#define HEADERS(...) ((const char *const[]){__VA_ARGS__, NULL})

struct answer {
    CURLcode failure; /* CURLE_OK: there is one */
    int status;
    char *body; /* with a NUL behind it */
    size_t size;
    char *head;   /* status line and headers */
    json_t *json; /* of a body that says that it is */
    double ms;
};

struct bytes {
    char *bytes;
    size_t size;
};

static inline size_t bytes_add(char *data, size_t one, size_t n, void *context)
{
    struct bytes *bytes = context;
    (void)one;
    bytes->bytes = realloc(bytes->bytes, bytes->size + n + 1);
    assert_non_null(bytes->bytes);
    memcpy(bytes->bytes + bytes->size, data, n);
    bytes->size += n;
    bytes->bytes[bytes->size] = '\0';
    return n;
}

/* Headers of an answer before the final one (100 Continue) are thrown away. */
static inline size_t head_add(char *data, size_t one, size_t n, void *context)
{
    struct bytes *bytes = context;
    if (n > 5 && memcmp(data, "HTTP/", 5) == 0)
        bytes->size = 0;
    return bytes_add(data, one, n, context);
}

/* The value of the header's nth line (0, 1, ...), in a buffer that the next call reuses; NULL:
 * there is none. */
static inline const char *answer_nth_header(const struct answer *answer, const char *name, int nth)
{
    static _Thread_local char value[2000];
    size_t length = strlen(name);
    for (const char *line = answer->head; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncasecmp(line, name, length) != 0 || line[length] != ':' || nth-- > 0)
            continue;
        line += length + 1;
        line += strspn(line, " ");
        snprintf(value, sizeof value, "%.*s", (int)strcspn(line, "\r\n"), line);
        return value;
    }
    return NULL;
}

static inline const char *answer_header(const struct answer *answer, const char *name)
{
    return answer_nth_header(answer, name, 0);
}

static inline void answer_parse(struct answer *answer)
{
    const char *type = answer_header(answer, "Content-Type");
    if (type && strstr(type, "json") && answer->size > 0)
        answer->json = json_loadb(answer->body, answer->size, 0, NULL);
}

static inline struct curl_slist *header_list(const struct ask *ask, const char *type)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    if (type)
        list = curl_slist_append(list, type);
    for (size_t i = 0; ask->headers && ask->headers[i]; i++)
        list = curl_slist_append(list, ask->headers[i]);
    return list;
}

static inline void set_body(CURL *curl, const void *body, size_t size)
{
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
}

/* Leaves `failure` for the caller to look at. */
static inline struct answer ask_quietly(const struct daemon *daemon, struct ask ask)
{
    CURL *curl = ask.handle ? ask.handle : curl_easy_init();
    struct bytes body = {NULL, 0}, head = {NULL, 0};
    struct answer answer = {0};
    char url[4096];
    char *text = ask.json ? json_dumps(ask.json, JSON_COMPACT) : NULL;
    long status = 0;
    assert_non_null(curl);
    snprintf(url, sizeof url, "%s%s", daemon->base, ask.path);
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ask.timeout_ms ? ask.timeout_ms : 60000L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, bytes_add);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, head_add);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &head);
    if (text)
        set_body(curl, text, strlen(text));
    else if (ask.body)
        set_body(curl, ask.body, ask.size);
    if (ask.method && strcmp(ask.method, "HEAD") == 0)
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    else if (ask.method)
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, ask.method);
    struct curl_slist *list = header_list(&ask, text ? "Content-Type: application/json" : NULL);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    if (ask.ca)
        curl_easy_setopt(curl, CURLOPT_CAINFO, ask.ca);
    double start = now_ms();
    answer.failure = curl_easy_perform(curl);
    answer.ms = now_ms() - start;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    answer.status = (int)status;
    answer.body = body.bytes ? body.bytes : calloc(1, 1);
    answer.size = body.size;
    answer.head = head.bytes ? head.bytes : calloc(1, 1);
    answer_parse(&answer);
    curl_slist_free_all(list);
    if (!ask.handle)
        curl_easy_cleanup(curl);
    free(text);
    json_decref(ask.json);
    return answer;
}

static inline struct answer ask(const struct daemon *daemon, struct ask ask)
{
    struct answer answer = ask_quietly(daemon, ask);
    if (answer.failure != CURLE_OK) {
        daemon_show_log(daemon);
        fail_msg("%s: %s", ask.path, curl_easy_strerror(answer.failure));
    }
    return answer;
}

static inline void answer_free(struct answer *answer)
{
    free(answer->body);
    free(answer->head);
    json_decref(answer->json);
    *answer = (struct answer){0};
}

static inline struct answer get(const struct daemon *daemon, const char *path)
{
    return ask(daemon, (struct ask){.path = path});
}

static inline struct answer post(const struct daemon *daemon, const char *path, json_t *json)
{
    return ask(daemon, (struct ask){.path = path, .json = json});
}

/* ---- looking at JSON */

/* "predictions.0.top" : members and elements; NULL: it is not there. */
static inline json_t *at(json_t *json, const char *path)
{
    char part[100];
    while (json && *path) {
        size_t length = strcspn(path, ".");
        snprintf(part, sizeof part, "%.*s", (int)length, path);
        json = json_is_array(json) ? json_array_get(json, (size_t)atoi(part))
                                   : json_object_get(json, part);
        path += length + (path[length] == '.');
    }
    return json;
}

static inline const char *text_at(json_t *json, const char *path)
{
    const char *text = json_string_value(at(json, path));
    return text ? text : "(no text)";
}

static inline double number_at(json_t *json, const char *path)
{
    json_t *number = at(json, path);
    if (!json_is_number(number))
        print_error("no number at %s\n", path);
    assert_true(json_is_number(number));
    return json_number_value(number);
}

static inline void assert_near(double value, double expected, double tolerance)
{
    if (!(value >= expected - tolerance && value <= expected + tolerance))
        fail_msg("%.9g is not %.9g", value, expected);
}

#define assert_text(json, path, expected) assert_string_equal(text_at(json, path), expected)

/* ---- judging answers */

static inline void answer_show(const struct answer *answer)
{
    print_error("%s%.2000s\n", answer->head, answer->body);
}

#define assert_status(answer, expected)                                                            \
    do {                                                                                           \
        if ((answer)->status != (expected))                                                        \
            answer_show(answer);                                                                   \
        assert_int_equal((answer)->status, expected);                                              \
    } while (0)

#define assert_header(answer, name, expected)                                                      \
    do {                                                                                           \
        const char *header_ = answer_header(answer, name);                                         \
        if (!header_ || strcmp(header_, expected) != 0)                                            \
            answer_show(answer);                                                                   \
        assert_non_null(header_);                                                                  \
        assert_string_equal(header_, expected);                                                    \
    } while (0)

static inline const char *title_of(int status)
{
    switch (status) {
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "?";
    }
}

static inline bool problem_is(const struct answer *answer, int status, const char *detail,
                              const char *pointer)
{
    json_t *problem = answer->json;
    const char *type = answer_header(answer, "Content-Type");
    if (answer->status != status || !type || strcmp(type, "application/problem+json") != 0)
        return false;
    const char *id = answer_header(answer, "X-Request-Id");
    return strcmp(text_at(problem, "type"), "about:blank") == 0 &&
           strcmp(text_at(problem, "title"), title_of(status)) == 0 &&
           json_integer_value(at(problem, "status")) == status &&
           strcmp(text_at(problem, "detail"), detail) == 0 &&
           strcmp(text_at(problem, "error"), detail) == 0 && id &&
           strcmp(text_at(problem, "instance"), id) == 0 &&
           (pointer ? strcmp(text_at(problem, "errors.0.pointer"), pointer) == 0 &&
                          strcmp(text_at(problem, "errors.0.detail"), detail) == 0 &&
                          json_array_size(at(problem, "errors")) == 1
                    : !at(problem, "errors"));
}

/* The whole of a problem; pointer NULL: no field is at fault. */
#define assert_problem(answer, status, detail, pointer)                                            \
    do {                                                                                           \
        if (!problem_is(answer, status, detail, pointer)) {                                        \
            const char *pointer_ = pointer;                                                        \
            answer_show(answer);                                                                   \
            fail_msg("that is not: %d, %s, at %s", status, detail,                                 \
                     pointer_ ? pointer_ : "no field");                                            \
        }                                                                                          \
    } while (0)

/* ---- pictures */

#define EXAMPLES "config/models/shapes/examples/"
#define PREDICT "/v1/models/shapes:predict"
#define EXPLAIN "/v1/models/shapes:explain"

/* Malloc'ed. */
static inline char *base64(const void *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *in = bytes;
    char *text = malloc(size / 3 * 4 + 5), *out = text;
    assert_non_null(text);
    for (size_t i = 0; i < size; i += 3) {
        uint32_t group = (uint32_t)in[i] << 16;
        group |= i + 1 < size ? (uint32_t)in[i + 1] << 8 : 0;
        group |= i + 2 < size ? (uint32_t)in[i + 2] : 0;
        *out++ = digits[group >> 18];
        *out++ = digits[group >> 12 & 63];
        *out++ = i + 1 < size ? digits[group >> 6 & 63] : '=';
        *out++ = i + 2 < size ? digits[group & 63] : '=';
    }
    *out = '\0';
    return text;
}

static inline char *file_base64(const char *path)
{
    size_t size;
    char *bytes = file_bytes(path, &size), *text = base64(bytes, size);
    free(bytes);
    return text;
}

/* {"image": {"b64": ...}} */
static inline json_t *instance(const char *path)
{
    char *text = file_base64(path);
    json_t *json = json_pack("{s: {s: s}}", "image", "b64", text);
    free(text);
    assert_non_null(json);
    return json;
}

static inline json_t *parse(const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, JSON_DECODE_ANY, &error);
    if (!json)
        fail_msg("%s: %s", text, error.text);
    return json;
}

/* One instance, with more members and with parameters, both JSON text or NULL. */
static inline json_t *body_with(const char *path, const char *members, const char *parameters)
{
    json_t *one = instance(path), *more = members ? parse(members) : NULL;
    if (more)
        assert_int_equal(json_object_update(one, more), 0);
    json_decref(more);
    json_t *body = json_pack("{s: [o]}", "instances", one);
    if (parameters)
        assert_int_equal(json_object_set_new(body, "parameters", parse(parameters)), 0);
    return body;
}

static inline bool is_sanitized(void)
{
    const char *sanitized = getenv("LAYERMASK_SANITIZED");
    return sanitized && *sanitized;
}

/* Samples of an explanation that has to come to its end: fewer where sanitizers make them slow. */
static inline unsigned few(unsigned samples)
{
    unsigned fewer = samples / 20 > 12 ? samples / 20 : 12;
    return is_sanitized() && fewer < samples ? fewer : samples;
}

/* Time that something may take at most. */
static inline double patience_ms(double ms)
{
    return is_sanitized() ? 20 * ms : ms;
}

/* A request to explain one picture; more: further parameters, as members in JSON, or NULL. */
static inline json_t *explanation(const char *path, unsigned samples, const char *more)
{
    char parameters[1000];
    snprintf(parameters, sizeof parameters, "{\"samples\": %u%s%s}", samples, more ? ", " : "",
             more ? more : "");
    return body_with(path, NULL, parameters);
}

/* ---- jobs */

/* Posts for an asynchronous answer; key may be NULL. */
static inline struct answer post_async(const struct daemon *daemon, const char *path, json_t *json,
                                       const char *key)
{
    char header[200] = "X-Unused: 1";
    if (key)
        snprintf(header, sizeof header, "Idempotency-Key: %s", key);
    return ask(daemon, (struct ask){.path = path,
                                    .json = json,
                                    .headers = HEADERS("Prefer: respond-async", header)});
}

/* The job's id, of an answer that must be 202; malloc'ed. */
static inline char *accepted(struct answer *answer)
{
    assert_status(answer, 202);
    char *id = strdup(text_at(answer->json, "id"));
    assert_non_null(id);
    answer_free(answer);
    return id;
}

static inline struct answer get_job(const struct daemon *daemon, const char *id, const char *below)
{
    char path[200];
    snprintf(path, sizeof path, "/v1/jobs/%s%s", id, below);
    return get(daemon, path);
}

/* Waits until it is in this state; the job as it is then. */
static inline struct answer await_job(const struct daemon *daemon, const char *id,
                                      const char *state)
{
    double end = now_ms() + 60000;
    for (;; sleep_ms(5)) {
        struct answer answer = get_job(daemon, id, "");
        assert_status(&answer, 200);
        if (strcmp(text_at(answer.json, "status"), state) == 0)
            return answer;
        bool open = strcmp(text_at(answer.json, "status"), "queued") == 0 ||
                    strcmp(text_at(answer.json, "status"), "running") == 0;
        if (!open || now_ms() > end) {
            answer_show(&answer);
            fail_msg("the job is not %s", state);
        }
        answer_free(&answer);
    }
}

/* ---- the command line tool, which has no HTTP in it */

/* Runs `layermask ARGUMENTS`; its standard output, malloc'ed. */
static inline char *tool(const char *arguments, size_t *size)
{
    const char *program = getenv("LAYERMASK_BIN");
    char command[2000];
    struct bytes out = {NULL, 0};
    char buffer[4096];
    size_t n;
    snprintf(command, sizeof command, "%s %s", program && *program ? program : "build/layermask",
             arguments);
    FILE *stream = popen(command, "r");
    assert_non_null(stream);
    while ((n = fread(buffer, 1, sizeof buffer, stream)) > 0)
        bytes_add(buffer, 1, n, &out);
    assert_int_equal(pclose(stream), 0);
    assert_non_null(out.bytes);
    if (size)
        *size = out.size;
    return out.bytes;
}

#endif
