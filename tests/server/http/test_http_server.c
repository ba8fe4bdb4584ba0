/* The HTTP server over real sockets: what well-behaved and other clients get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

#include <sys/resource.h>

#include <curl/curl.h>
#include <zlib.h>

#include "http_checks.h"

static int start(void **state)
{
    struct http_config config = support_config();
    static const char *const origins[] = {"https://good.example", "http://localhost:3000"};
    config.cors_origins = origins;
    config.n_cors_origins = 2;
    *state = support_start(&config);
    return *state ? 0 : -1;
}

static int stop(void **state)
{
    http_stop(*state, 5000);
    return 0;
}

static void test_requests(void **state)
{
    expect(*state, "GET / HTTP/1.1\r\n" END, 200, "GET / type= size=0 body=" TAIL);
    expect(
        *state, "GET /v1/models/gr%C3%BCn%20cat/?a=1&a=%26+2&b HTTP/1.1\r\n" END, 200,
        "GET /v1/models/{model} type= size=0 {model=gr\xc3\xbcn cat} ?a=1 ?a=& 2 ?b= body=" TAIL);
    expect(*state,
           "POST /v1/models/cat:predict HTTP/1.1\r\nContent-Type: Application/JSON; "
           "charset=utf-8\r\nContent-Length: 2\r\n" END "{}",
           200,
           "POST /v1/models/{model}:predict type=application/json size=2 {model=cat} body={}" TAIL);
    expect(*state,
           "POST /small HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" END
           "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n",
           200, "POST /small type= size=7 body=abcdefg" TAIL);
    expect(*state,
           "GET / HTTP/1.1\r\n"
           "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n" END,
           200,
           "GET / type= size=0 body= address=127.0.0.1 key= "
           "trace=4bf92f3577b34da6a3ce929d0e0e4736\n");
    char *response = client_ask(*state, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                                        "X-Request-Id: bad id\r\n\r\n");
    assert_int_equal(strlen(header_of(response, "X-Request-Id")), 32);
    assert_string_equal(header_of(response, "X-Extra"), "yes");
    assert_string_equal(header_of(response, "X-Content-Type-Options"), "nosniff");
    free(response);
}

static void test_refusals(void **state)
{
    struct http_server *server = *state;
    const char *nothing = "there is nothing at this path";
    expect_problem(server, "GET /none HTTP/1.1\r\n" END, 404, "Not Found", nothing);
    expect_problem(server, "GET /v1/models/../../etc/passwd HTTP/1.1\r\n" END, 404, "Not Found",
                   nothing);
    expect_problem(server, "GET /v1/models/%2e%2e HTTP/1.1\r\n" END, 404, "Not Found", nothing);
    expect_problem(server, "GET //v1/models/a HTTP/1.1\r\n" END, 404, "Not Found", nothing);
    expect_problem(server, "POST /v1/models/a:dance HTTP/1.1\r\nContent-Length: 0\r\n" END, 404,
                   "Not Found", nothing);
    expect_problem(server, "GET /v1/models/a%2fb HTTP/1.1\r\n" END, 400, "Bad Request",
                   "a name in the path has a slash");
    const char *broken = "the path has a broken percent escape, control characters or text that is "
                         "not UTF-8";
    expect_problem(server, "GET /v1/models/%zz HTTP/1.1\r\n" END, 400, "Bad Request", broken);
    expect_problem(server, "GET /v1/models/%00 HTTP/1.1\r\n" END, 400, "Bad Request", broken);
    expect_problem(server, "GET /v1/models/%ff HTTP/1.1\r\n" END, 400, "Bad Request", broken);
    expect_problem(server, "GET /?a=%4 HTTP/1.1\r\n" END, 400, "Bad Request",
                   "the query has a broken percent escape, control characters, text that is not "
                   "UTF-8, or more than 64 parameters");
    expect_problem(server, "GET / HTTP/1.1\r\nContent-Length: 1\r\n" END "x", 413,
                   "Content Too Large", "this request takes no body");
    expect_problem(server, "POST /small HTTP/1.1\r\nContent-Length: 1001\r\n" END, 413,
                   "Content Too Large", "the body's 1001 bytes are over the limit of 1000");
    expect_problem(
        server, "POST /small HTTP/1.1\r\nContent-Length: 2\r\nContent-Encoding: br\r\n" END "xx",
        415, "Unsupported Media Type", "Content-Encoding can be gzip, deflate or identity");
    expect_problem(
        server, "POST /small HTTP/1.1\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\n" END "xx",
        400, "Bad Request", "the body is not what its Content-Encoding says");
    char *response = client_ask(server, "PUT /later HTTP/1.1\r\nContent-Length: 0\r\n" END);
    assert_int_equal(status_of(response), 405);
    assert_string_equal(header_of(response, "Allow"), "GET, HEAD, POST, OPTIONS");
    assert_non_null(strstr(response, "\"detail\": \"this path takes GET, HEAD, POST, OPTIONS\""));
    free(response);
}

static void test_gzip_bodies(void **state)
{
    struct http_server *server = *state;
    static uint8_t plain[3 << 20], packed[1 << 16];
    for (int gzip = 0; gzip < 2; gzip++)
        for (int bomb = 0; bomb < 2; bomb++) {
            z_stream stream = {0};
            deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16 * gzip, 8, Z_DEFAULT_STRATEGY);
            stream.next_in = plain;
            stream.avail_in = bomb ? 3 << 20 : 1 << 20;
            stream.next_out = packed;
            stream.avail_out = sizeof packed;
            assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
            size_t size = sizeof packed - stream.avail_out;
            deflateEnd(&stream);
            static char request[1 << 17];
            int head = snprintf(request, sizeof request,
                                "POST /v1/models/a:predict HTTP/1.1\r\nContent-Encoding: %s\r\n"
                                "Content-Length: %zu\r\n" END,
                                gzip ? "gzip" : "deflate", size);
            memcpy(request + head, packed, size);
            char *response = client_ask_bytes(server, request, (size_t)head + size);
            assert_int_equal(status_of(response), bomb ? 413 : 200);
            assert_non_null(strstr(response, bomb ? "the body is over the limit of 1048576 bytes"
                                                  : "size=1048576"));
            free(response);
        }
    /* Cut off. */
    expect_problem(server,
                   "POST /small HTTP/1.1\r\nContent-Length: 1\r\nContent-Encoding: gzip\r\n" END
                   "\x1f",
                   400, "Bad Request", "the body is not what its Content-Encoding says");
}

static void test_chunked_limit(void **state)
{
    static char request[3000];
    strcpy(request, "POST /small HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" END "7d0\r\n");
    memset(request + strlen(request), 'a', 2000);
    strcat(request, "\r\n0\r\n\r\n");
    expect_problem(*state, request, 413, "Content Too Large",
                   "the body is over the limit of 1000 bytes");
}

static size_t collect(char *bytes, size_t size, size_t n, void *context)
{
    char *text = context;
    size_t used = strlen(text);
    if (used + size * n < 100000) {
        memcpy(text + used, bytes, size * n);
        text[used + size * n] = '\0';
    }
    return size * n;
}

static CURL *make_curl(struct http_server *server, const char *path, char text[100000])
{
    char url[200];
    CURL *curl = curl_easy_init();
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", http_port(server), path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, text);
    text[0] = '\0';
    return curl;
}

/* A client that sends a body far too large, without asking before, still reads its answer. */
static void test_early_refusal_is_read(void **state)
{
    static char text[100000], body[8 << 20];
    for (int expect_header = 0; expect_header < 2; expect_header++)
        for (int i = 0; i < 10; i++) {
            CURL *curl = make_curl(*state, "/small", text);
            struct curl_slist *headers =
                curl_slist_append(NULL, expect_header ? "Expect: 100-continue" : "Expect:");
            curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
            curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
            curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)sizeof body);
            long status = 0;
            assert_int_equal(curl_easy_perform(curl), CURLE_OK);
            curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
            assert_int_equal(status, 413);
            assert_non_null(strstr(text, "the body's 8388608 bytes are over the limit of 1000"));
            curl_easy_cleanup(curl);
            curl_slist_free_all(headers);
        }
}

static void test_expect_continue(void **state)
{
    int fd = client_connect(*state);
    const char *head = "POST /small HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n" END;
    client_say(fd, head);
    char *text = client_read(fd, "\r\n\r\n");
    assert_string_equal(text, "HTTP/1.1 100 Continue\r\n\r\n");
    free(text);
    client_send(fd, "abc", 3);
    text = client_read(fd, NULL);
    assert_int_equal(status_of(text), 200);
    assert_non_null(strstr(text, "body=abc"));
    free(text);
    close(fd);
}

static void test_keep_alive_and_pipelining(void **state)
{
    int fd = client_connect(*state);
    const char *both = "GET /later HTTP/1.1\r\nHost: x\r\n\r\n"
                       "POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                       "GET /v1/models/second HTTP/1.1\r\nHost: x\r\n\r\n";
    client_say(fd, both);
    char *text = client_read(fd, "{model=second}");
    assert_non_null(strstr(text, "later\n"));
    assert_non_null(strstr(text, "HTTP/1.1 404"));
    assert_non_null(strstr(text, "{model=second}"));
    free(text);
    close(fd);
}

static void test_head_and_options(void **state)
{
    char *response = client_ask(*state, "HEAD / HTTP/1.1\r\n" END);
    assert_int_equal(status_of(response), 200);
    assert_int_equal(atoi(header_of(response, "Content-Length")), 56);
    assert_string_equal(body_of(response), "");
    free(response);
    response = client_ask(*state, "OPTIONS /later HTTP/1.1\r\n" END);
    assert_int_equal(status_of(response), 204);
    assert_string_equal(header_of(response, "Allow"), "GET, HEAD, POST, OPTIONS");
    assert_null(strstr(response, "Access-Control"));
    free(response);
    response = client_ask(*state, "OPTIONS * HTTP/1.1\r\n" END);
    assert_int_equal(status_of(response), 204);
    free(response);
}

static void test_cors(void **state)
{
    char *response = client_ask(*state, "OPTIONS /v1/models/a:predict HTTP/1.1\r\n"
                                        "Origin: https://good.example\r\n"
                                        "Access-Control-Request-Method: POST\r\n" END);
    assert_int_equal(status_of(response), 204);
    assert_string_equal(header_of(response, "Access-Control-Allow-Origin"), "https://good.example");
    assert_string_equal(header_of(response, "Access-Control-Allow-Methods"), "POST, OPTIONS");
    assert_non_null(strstr(header_of(response, "Access-Control-Allow-Headers"), "Content-Type"));
    free(response);
    response = client_ask(*state, "GET /none HTTP/1.1\r\nOrigin: http://localhost:3000\r\n" END);
    assert_int_equal(status_of(response), 404);
    assert_string_equal(header_of(response, "Access-Control-Allow-Origin"),
                        "http://localhost:3000");
    assert_string_equal(header_of(response, "Vary"), "Accept, Accept-Encoding, Origin");
    free(response);
    response = client_ask(*state, "GET / HTTP/1.1\r\nOrigin: https://evil.example\r\n" END);
    assert_int_equal(status_of(response), 200);
    assert_null(strstr(response, "Access-Control"));
    free(response);
}

static void test_gzip_answer(void **state)
{
    static char text[100000];
    CURL *curl = make_curl(*state, "/big", text);
    curl_off_t size = 0;
    curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "gzip");
    assert_int_equal(curl_easy_perform(curl), CURLE_OK);
    curl_easy_getinfo(curl, CURLINFO_SIZE_DOWNLOAD_T, &size);
    assert_true(size < 20000);
    assert_memory_equal(text, "[7,1,5,9,3,7,", 13);
    curl_easy_cleanup(curl);
    curl = make_curl(*state, "/big", text);
    assert_int_equal(curl_easy_perform(curl), CURLE_OK);
    curl_easy_getinfo(curl, CURLINFO_SIZE_DOWNLOAD_T, &size);
    assert_int_equal(size, 200002);
    curl_easy_cleanup(curl);
}

struct asker {
    struct http_server *server;
    int good;
};

static void *ask_later_often(void *argument)
{
    struct asker *asker = argument;
    int fd = client_connect(asker->server);
    for (int i = 0; i < 20; i++) {
        client_say(fd, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
        char *response = client_read(fd, "later\n");
        asker->good += status_of(response) == 200 && strcmp(body_of(response), "later\n") == 0;
        free(response);
    }
    close(fd);
    return NULL;
}

static void test_answers_from_other_threads(void **state)
{
    struct asker askers[8];
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) {
        askers[i] = (struct asker){.server = *state};
        pthread_create(&threads[i], NULL, ask_later_often, &askers[i]);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(askers[i].good, 20);
    }
}

static void test_client_gone(void **state)
{
    atomic_store(&gone_calls, 0);
    atomic_store(&release_calls, 0);
    int before = atomic_load(&accesses);
    int fd = client_connect(*state);
    client_say(fd, "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
    struct http_exchange *exchange = take_held();
    assert_non_null(exchange);
    assert_int_equal(atomic_load(&gone_calls), 0);
    double left_ms = now_ms();
    close(fd);
    assert_true(wait_for(&gone_calls, 1));
    assert_true(now_ms() - left_ms < 1000);
    assert_true(wait_for(&accesses, before + 1));
    assert_int_equal(atomic_load(&last_status), 499);
    assert_int_equal(atomic_load(&release_calls), 0);
    assert_false(http_on_gone(exchange, note_gone, NULL, &gone_calls));
    assert_memory_equal(exchange->body, "body", exchange->body_size);
    http_reply_text(exchange, 200, "text/plain", "too late");
    assert_true(wait_for(&release_calls, 1));
    assert_int_equal(atomic_load(&gone_calls), 1);
}

/* What ends because its client has left, and is quick to say so, is not an answer. */
static void test_answered_because_gone(void **state)
{
    for (int i = 0; i < 10; i++) {
        int before = atomic_load(&accesses);
        atomic_store(&n_waiting, 0);
        int fd = client_connect(*state);
        client_say(fd, "GET /until-gone HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_true(wait_for(&n_waiting, 1));
        sleep_ms(10);
        close(fd);
        assert_true(wait_for(&accesses, before + 1));
        assert_int_equal(atomic_load(&last_status), 499);
    }
}

/* A part of a request and the end in one breath. */
static void test_abandoned(void **state)
{
    static const char *const parts[] = {
        "", "GET / HTTP/1.1\r\nX",
        "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n{"};
    for (int i = 0; i < 30; i++) {
        int fd = client_connect(*state);
        client_say(fd, parts[i % 3]);
        close(fd);
    }
    double left_ms = now_ms();
    while (http_open_requests(*state) > 0 && now_ms() - left_ms < 5000)
        sleep_ms(20);
    assert_int_equal(http_open_requests(*state), 0);
    assert_int_equal(atomic_load(&last_status), 499);
}

static void test_answered_is_not_gone(void **state)
{
    atomic_store(&gone_calls, 0);
    atomic_store(&release_calls, 0);
    int fd = client_connect(*state);
    client_say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    http_reply_error(take_held(), 504, "the deadline of %d s has passed", 3);
    char *response = client_read(fd, "}\n");
    assert_int_equal(status_of(response), 504);
    assert_non_null(strstr(response, "\"detail\": \"the deadline of 3 s has passed\""));
    free(response);
    close(fd);
    assert_true(wait_for(&release_calls, 1));
    assert_int_equal(atomic_load(&gone_calls), 0);
}

static void test_events(void **state)
{
    static char text[100000];
    CURL *curl = make_curl(*state, "/events", text);
    assert_int_equal(curl_easy_perform(curl), CURLE_OK);
    char *type = NULL;
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    assert_string_equal(type, "text/event-stream");
    assert_string_equal(text, "event: progress\ndata: {\"done\": 0}\ndata: line 2\n\n"
                              "id: 7\nevent: progress\ndata: {\"done\": 1}\ndata: line 2\n\n"
                              "event: progress\ndata: {\"done\": 2}\ndata: line 2\n\n"
                              "event: done\ndata: \n\n");
    curl_easy_cleanup(curl);
}

static void test_slow_reader_is_dropped(void **state)
{
    atomic_store(&streams_refused, 0);
    int fd = client_connect(*state);
    client_say(fd, "GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(wait_for(&streams_refused, 1));
    close(fd);
    fd = client_connect(*state);
    client_say(fd, "GET /silence HTTP/1.1\r\nHost: x\r\n\r\n");
    struct http_exchange *exchange = take_held();
    atomic_store(&gone_calls, 0);
    assert_true(http_stream_send(exchange, NULL, NULL, "one"));
    assert_true(http_stream_is_open(exchange));
    assert_false(http_stream_send(exchange, "two\nlines", NULL, "one"));
    free(client_read(fd, "data: one"));
    close(fd);
    assert_true(wait_for(&gone_calls, 1));
    assert_false(http_stream_is_open(exchange));
    assert_false(http_stream_send(exchange, NULL, NULL, "two"));
    http_stream_close(exchange);
}

static int start_impatient(void **state)
{
    struct http_config config = support_config();
    config.request_timeout_ms = 600;
    config.idle_timeout_ms = 2000;
    config.stream_ping_ms = 100;
    *state = support_start(&config);
    return *state ? 0 : -1;
}

/* Sends a byte every 50 ms; returns after how long the server has had enough. */
static double trickle(struct http_server *server, const char *head)
{
    int fd = client_connect(server);
    double begin = now_ms();
    client_say(fd, head);
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    while (now_ms() - begin < 8000 && poll(&poller, 1, 50) == 0)
        if (!client_send(fd, "a", 1))
            break;
    close(fd);
    return now_ms() - begin;
}

static void test_slow_requests(void **state)
{
    int before = atomic_load(&accesses);
    assert_true(trickle(*state, "") < 2000);
    assert_true(trickle(*state, "GET / HTTP/1.1\r\nX: ") < 2000);
    assert_true(trickle(*state, "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n") <
                2000);
    assert_true(wait_for(&accesses, before + 2));
    assert_int_equal(atomic_load(&last_status), 408);
    /* After an answer, too. */
    assert_true(trickle(*state, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") < 100);
    int fd = client_connect(*state);
    double begin = now_ms();
    char *silence = client_read(fd, NULL);
    assert_true(now_ms() - begin < 4000);
    assert_string_equal(silence, "");
    free(silence);
    close(fd);
}

static void test_waiting_is_not_slow(void **state)
{
    int fd = client_connect(*state);
    client_say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    struct http_exchange *exchange = take_held();
    sleep_ms(2500);
    http_reply_text(exchange, 200, "text/plain", "slowly\n");
    char *response = client_read(fd, "slowly\n");
    assert_int_equal(status_of(response), 200);
    free(response);
    close(fd);
}

static void test_ping(void **state)
{
    int fd = client_connect(*state);
    client_say(fd, "GET /silence HTTP/1.1\r\nHost: x\r\n\r\n");
    struct http_exchange *exchange = take_held();
    char *text = client_read(fd, ":\n\n");
    assert_non_null(strstr(text, ":\n\n"));
    free(text);
    http_stream_close(exchange);
    close(fd);
}

static void test_many_idle_connections(void **state)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < 1200) {
        files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    int idle[500];
    for (int i = 0; i < 500; i++) {
        static const char *const starts[] = {
            "", "GET / HT", "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nabc",
            "GET / HTTP/1.1\r\nX-Slow: "};
        idle[i] = client_connect(*state);
        assert_true(idle[i] >= 0);
        client_say(idle[i], starts[i % 4]);
    }
    double worst = 0;
    for (int i = 0; i < 50; i++) {
        double begin = now_ms();
        expect(*state, "GET / HTTP/1.1\r\n" END, 200, "GET / type= size=0 body=" TAIL);
        worst = now_ms() - begin > worst ? now_ms() - begin : worst;
    }
    print_message("worst of 50 requests beside 500 idle connections: %.1f ms\n", worst);
    assert_true(worst < 1000);
    for (int i = 0; i < 500; i++)
        close(idle[i]);
}

static void test_limits_of_connections(void **state)
{
    (void)state;
    struct http_config config = support_config();
    config.connections_per_address_max = 4;
    struct http_server *server = support_start(&config);
    int open[4];
    for (int i = 0; i < 4; i++)
        open[i] = client_connect(server);
    sleep_ms(50);
    char *response = client_ask(server, "GET / HTTP/1.1\r\n" END);
    assert_string_equal(response, "");
    free(response);
    for (int i = 0; i < 4; i++)
        close(open[i]);
    sleep_ms(100);
    expect(server, "GET / HTTP/1.1\r\n" END, 200, "GET / type= size=0 body=" TAIL);
    http_stop(server, 1000);
}

static void test_body_budget(void **state)
{
    (void)state;
    struct http_config config = support_config();
    config.all_bodies_bytes_max = 2000;
    struct http_server *server = support_start(&config);
    static char request[4000];
    strcpy(request, "POST /v1/models/a:predict HTTP/1.1\r\nContent-Length: 3000\r\n" END);
    size_t head = strlen(request);
    memset(request + head, 'x', 3000);
    char *response = client_ask_bytes(server, request, head + 3000);
    assert_int_equal(status_of(response), 503);
    assert_string_equal(header_of(response, "Retry-After"), "1");
    free(response);
    http_stop(server, 1000);
}

/* A large body that never ends keeps out other large ones, not small ones. */
static void test_body_reserve(void **state)
{
    (void)state;
    enum { MIB = 1 << 20 };
    struct http_config config = support_config();
    config.large_body_bytes_max = 3 * MIB;
    config.all_bodies_bytes_max = 4 * MIB;
    struct http_server *server = support_start(&config);
    static const char head[] =
        "POST /v1/models/a:predict HTTP/1.1\r\nContent-Length: 3145728\r\n" END;
    size_t size = sizeof head - 1 + 3 * MIB;
    char *request = malloc(size);
    assert_non_null(request);
    memset(request, 'x', size);
    memcpy(request, head, sizeof head - 1);
    int fd = client_connect(server);
    assert_true(client_send(fd, request, size - 1));
    sleep_ms(300);
    char *response = client_ask_bytes(server, request, size);
    assert_int_equal(status_of(response), 503);
    free(response);
    response =
        client_ask(server, "POST /v1/models/a:predict HTTP/1.1\r\nContent-Length: 3\r\n" END "abc");
    assert_int_equal(status_of(response), 200);
    free(response);
    close(fd);
    free(request);
    http_stop(server, 1000);
}

static char keys_path[] = "/tmp/layermask-keys-XXXXXX";

/* Hashes by sha256sum of secret-a and secret-b. */
#define HASH_A "8766b9cb08e6040b704f1e3ee1e186efccf2635b1d2634d6525333007e6aeae1"
#define HASH_B "ff492ef788c89b555e6f738b33d2422f57dbb6656af2402155672c5f123a90af"
static void write_keys(const char *text)
{
    FILE *file = fopen(keys_path, "w");
    fputs(text, file);
    fclose(file);
}

static int start_with_keys(void **state)
{
    struct http_config config = support_config();
    strcpy(keys_path, "/tmp/layermask-keys-XXXXXX");
    close(mkstemp(keys_path));
    write_keys("[{\"id\": \"alice\", \"sha256\": \"" HASH_A "\", \"scopes\": [\"predict\"],"
               "  \"rate\": {\"per_second\": 0.5, \"burst\": 3}}]");
    config.keys_file = keys_path;
    *state = support_start(&config);
    return *state ? 0 : -1;
}

static int stop_with_keys(void **state)
{
    unlink(keys_path);
    return stop(state);
}

#define BEARER_A "Authorization: Bearer secret-a\r\n"
#define PREDICT "POST /v1/models/a:predict HTTP/1.1\r\nContent-Length: 0\r\n"

static void test_keys(void **state)
{
    struct http_server *server = *state;
    expect(server, "GET / HTTP/1.1\r\nAuthorization: Bearer wrong\r\n" END, 200,
           "GET / type= size=0 body=" TAIL);
    expect_problem(server, PREDICT END, 401, "Unauthorized",
                   "this needs a key: Authorization: Bearer KEY");
    expect_problem(server, PREDICT "Authorization: Bearer wrong\r\n" END, 401, "Unauthorized",
                   "the key in Authorization is not known");
    expect(server, PREDICT BEARER_A END, 200,
           "POST /v1/models/{model}:predict type= size=0 {model=a} body= address=127.0.0.1 "
           "key=alice trace=\n");
    expect_problem(server, "POST /small HTTP/1.1\r\nContent-Length: 0\r\n" BEARER_A END, 403,
                   "Forbidden", "this key does not have the scope admin");
    char *response = client_ask(server, PREDICT END);
    assert_string_equal(header_of(response, "WWW-Authenticate"), "Bearer realm=\"layermask\"");
    assert_null(strstr(response, "Basic"));
    free(response);
    response = client_ask(server, "POST /basic HTTP/1.1\r\nContent-Length: 0\r\n" END);
    assert_non_null(strstr(response, "WWW-Authenticate: Basic realm=\"layermask\""));
    free(response);
    expect(server,
           "POST /basic HTTP/1.1\r\nAuthorization: Basic eDpzZWNyZXQtYQ==\r\n"
           "Content-Length: 0\r\n" END,
           200, "POST /basic type= size=0 body= address=127.0.0.1 key=alice trace=\n");
    response = client_ask(server, PREDICT BEARER_A END);
    assert_int_equal(status_of(response), 429);
    assert_string_equal(header_of(response, "Retry-After"), "2");
    assert_non_null(strstr(response, "\"detail\": \"this key is over its rate\""));
    free(response);
    write_keys("nonsense");
    struct lm_error error = {0};
    assert_int_equal(http_reload_keys(server, &error), LM_CORRUPT);
    write_keys("[{\"id\": \"bob\", \"sha256\": \"" HASH_B "\", \"scopes\": [\"predict\"]}]");
    assert_int_equal(http_reload_keys(server, NULL), LM_OK);
    expect_problem(server, PREDICT BEARER_A END, 401, "Unauthorized",
                   "the key in Authorization is not known");
    expect(server, PREDICT "Authorization: Bearer secret-b\r\n" END, 200,
           "POST /v1/models/{model}:predict type= size=0 {model=a} body= address=127.0.0.1 "
           "key=bob trace=\n");
}

static void *stop_soon(void *server)
{
    http_stop(server, 3000);
    return NULL;
}

static void test_graceful_stop(void **state)
{
    (void)state;
    struct http_config config = support_config();
    struct http_server *server = support_start(&config);
    pthread_t stopper;
    int waiting = client_connect(server), idle = client_connect(server);
    int stream = client_connect(server);
    client_say(idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    free(client_read(idle, "trace="));
    client_say(stream, "GET /silence HTTP/1.1\r\nHost: x\r\n\r\n");
    struct http_exchange *streaming = take_held();
    client_say(waiting, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    struct http_exchange *exchange = take_held();
    uint16_t port = http_port(server);
    pthread_create(&stopper, NULL, stop_soon, server);
    sleep_ms(100);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int late = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(late, (struct sockaddr *)&address, sizeof address), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(late);
    char *text = client_read(stream, "\r\n0\r\n\r\n"); /* ends by itself */
    assert_non_null(strstr(text, "\r\n0\r\n\r\n"));
    assert_int_equal(status_of(text), 200);
    free(text);
    assert_false(http_stream_send(streaming, NULL, NULL, "x"));
    http_stream_close(streaming);
    http_reply_text(exchange, 200, "text/plain", "done\n");
    text = client_read(waiting, NULL);
    assert_int_equal(status_of(text), 200);
    assert_string_equal(header_of(text, "Connection"), "close");
    free(text);
    double begin = now_ms();
    pthread_join(stopper, NULL);
    assert_true(now_ms() - begin < 1500);
    close(waiting);
    close(idle);
    close(stream);
}

static void test_stop_without_answer(void **state)
{
    (void)state;
    struct http_config config = support_config();
    struct http_server *server = support_start(&config);
    int waiting = client_connect(server), half = client_connect(server);
    client_say(half, "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n");
    client_say(waiting, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    struct http_exchange *exchange = take_held();
    atomic_store(&gone_calls, 0);
    http_stop(server, 100);
    assert_int_equal(atomic_load(&gone_calls), 1);
    char *text = client_read(waiting, NULL);
    assert_int_equal(status_of(text), 503);
    assert_non_null(strstr(text, "\"detail\": \"the server is shutting down\""));
    free(text);
    http_reply_text(exchange, 200, "text/plain", "the server is no more");
    close(waiting);
    close(half);
}

static void test_start_errors(void **state)
{
    (void)state;
    struct http_config config = support_config();
    struct http_server *server = support_start(&config), *second = NULL;
    struct lm_error error = {0};
    config.port = http_port(server);
    assert_int_equal(http_start(&config, support_routes, 1, NULL, &second, &error), LM_IO);
    char text[200];
    snprintf(text, sizeof text, "cannot listen on 127.0.0.1:%u: Address already in use",
             config.port);
    assert_string_equal(error.text, text);
    http_stop(server, 1000);
    config.port = 0;
    config.keys_file = "/nonexistent";
    error = (struct lm_error){0};
    assert_int_equal(http_start(&config, support_routes, 1, NULL, &second, &error), LM_IO);
    assert_string_equal(error.text, "keys: /nonexistent: No such file or directory");
    config.keys_file = NULL;
    config.tls_certificate_file = config.tls_key_file = "/nonexistent";
    error = (struct lm_error){0};
    assert_int_equal(http_start(&config, support_routes, 1, NULL, &second, &error), LM_IO);
    assert_string_equal(error.text, "tls_certificate: /nonexistent: No such file or directory");
    config.tls_key_file = NULL;
    config.tls_certificate_file = keys_path;
    error = (struct lm_error){0};
    assert_int_equal(http_start(&config, support_routes, 1, NULL, &second, &error), LM_INVALID);
    config.tls_certificate_file = config.tls_key_file = "/proc/version";
    error = (struct lm_error){0};
    assert_int_equal(http_start(&config, support_routes, 1, NULL, &second, &error), LM_CORRUPT);
    assert_string_equal(error.text, "tls: the certificate and the key cannot be used together");
    assert_null(second);
    http_stop(NULL, 0);
}

static void test_tls(void **state)
{
    (void)state;
    char folder[] = "/tmp/layermask-tls-XXXXXX", command[500], certificate[100], key[100];
    assert_non_null(mkdtemp(folder));
    snprintf(certificate, sizeof certificate, "%s/cert.pem", folder);
    snprintf(key, sizeof key, "%s/key.pem", folder);
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
             "-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout %s -out %s "
             "2>/dev/null",
             key, certificate);
    if (system(command) != 0) {
        print_message("no openssl command to make a certificate with\n");
        rmdir(folder);
        skip();
    }
    struct http_config config = support_config();
    config.tls_certificate_file = certificate;
    config.tls_key_file = key;
    struct http_server *server = support_start(&config);
    assert_non_null(server);
    static char text[100000];
    static const char *const paths[] = {"/later", "/events", "/"};
    for (int i = 0; i < 3; i++) {
        CURL *curl = make_curl(server, paths[i], text);
        char url[100];
        snprintf(url, sizeof url, "https://127.0.0.1:%u%s", http_port(server), paths[i]);
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_CAINFO, certificate);
        assert_int_equal(curl_easy_perform(curl), CURLE_OK);
        assert_non_null(strstr(text, i == 0 ? "later" : i == 1 ? "event: done" : "GET /"));
        curl_easy_cleanup(curl);
    }
    char *plain = client_ask(server, "GET / HTTP/1.1\r\n" END);
    assert_int_equal(status_of(plain), 0);
    free(plain);
    http_stop(server, 1000);
    unlink(certificate);
    unlink(key);
    rmdir(folder);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_ALL);
#define WITH(test) cmocka_unit_test_setup_teardown(test, start, stop)
#define IMPATIENT(test) cmocka_unit_test_setup_teardown(test, start_impatient, stop)
    const struct CMUnitTest tests[] = {
        WITH(test_requests),
        WITH(test_refusals),
        WITH(test_gzip_bodies),
        WITH(test_chunked_limit),
        WITH(test_early_refusal_is_read),
        WITH(test_expect_continue),
        WITH(test_keep_alive_and_pipelining),
        WITH(test_head_and_options),
        WITH(test_cors),
        WITH(test_gzip_answer),
        WITH(test_answers_from_other_threads),
        WITH(test_client_gone),
        WITH(test_answered_because_gone),
        WITH(test_abandoned),
        WITH(test_answered_is_not_gone),
        WITH(test_events),
        WITH(test_slow_reader_is_dropped),
        IMPATIENT(test_slow_requests),
        IMPATIENT(test_waiting_is_not_slow),
        IMPATIENT(test_ping),
        WITH(test_many_idle_connections),
        cmocka_unit_test(test_limits_of_connections),
        cmocka_unit_test(test_body_budget),
        cmocka_unit_test(test_body_reserve),
        cmocka_unit_test_setup_teardown(test_keys, start_with_keys, stop_with_keys),
        cmocka_unit_test(test_graceful_stop),
        cmocka_unit_test(test_stop_without_answer),
        cmocka_unit_test(test_start_errors),
        cmocka_unit_test(test_tls),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
