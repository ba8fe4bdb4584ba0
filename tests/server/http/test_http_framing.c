/* Requests that are hard to read: heads that can be read in two ways, targets of other forms, what
 * comes too slowly, and crowds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

#include <sys/resource.h>

#include "http_checks.h"

static int start(void **state)
{
    struct http_config config = support_config();
    static const char *const origins[] = {"https://good.example"};
    config.cors_origins = origins;
    config.n_cors_origins = 1;
    config.request_timeout_ms = 2000;
    *state = support_start(&config);
    return *state ? 0 : -1;
}

static int stop(void **state)
{
    http_stop(*state, 5000);
    return 0;
}

static void test_framing(void **state)
{
    struct http_server *server = *state;
    expect_problem(server,
                   "POST /small HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n" END
                   "0\r\n\r\n",
                   400, "Bad Request", "Content-Length and Transfer-Encoding exclude each other");
    expect_problem(server, "POST /small HTTP/1.1\r\nTransfer-Encoding: gzip\r\n" END, 400,
                   "Bad Request", "Transfer-Encoding can only be chunked");
    /* What the library answers itself, shortly, or not at all, before there is an exchange. */
    static const char *const bad[] = {
        "POST /small HTTP/1.1\r\nContent-Length: -1\r\n" END,
        "POST /small HTTP/1.1\r\nContent-Length: 99999999999999999999999999\r\n" END,
        "POST /small HTTP/1.1\r\nContent-Length: 12x\r\n" END,
        "POST /small HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n" END "abcd",
        "POST /small HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" END "zz\r\nabc\r\n0\r\n\r\n",
        "POST /small HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" END "-1\r\nabc\r\n0\r\n\r\n",
        "POST /small HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" END
        "fffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "POST /small HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" END "3\r\nabcdef\r\n0\r\n\r\n",
        "GET / HTTP/9.9\r\n" END,
        "GET /\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "G\x01T / HTTP/1.1\r\n" END,
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int fd = client_connect(server);
        client_say(fd, bad[i]);
        shutdown(fd, SHUT_WR);
        char *response = client_read(fd, NULL);
        int status = status_of(response);
        bool refused = status == 0 || (status >= 400 && status <= 505);
        if (!refused || strstr(response, "POST /small"))
            print_error("%s%s\n", bad[i], response);
        assert_true(refused);
        assert_null(strstr(response, "POST /small"));
        free(response);
        close(fd);
    }
    static const char nul[] = "GET /v1/models/a\0b HTTP/1.1\r\nX: a\0b\r\n" END;
    free(client_ask_bytes(server, nul, sizeof nul - 1));
    expect(server, "GET / HTTP/1.1\r\n" END, 200, "GET / type= size=0 body=" TAIL);
}

/* How many answers there are in it. */
static int answers_in(const char *response)
{
    int n = 0;
    for (const char *at = response; (at = strstr(at, "HTTP/1.1 ")); at++)
        n += at == response || (at[-1] == '\n');
    return n;
}

#define SECOND "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

/* Whatever an intermediary may read otherwise than the server is refused, and the connection
 * closed, so that what follows is not taken for a request. */
static void test_unclear_heads(void **state)
{
#define LINE(line, detail)                                                                         \
    {                                                                                              \
        line, sizeof line - 1, detail                                                              \
    }
    static const char malformed[] = "a header line is malformed";
    static const struct {
        const char *line;
        size_t size;
        const char *detail;
    } cases[] = {
        LINE("Content-Length : 27", malformed),
        LINE("Content-Length\t: 27", malformed),
        LINE("Content-Length:\r\n 27", malformed),
        LINE("Content-Length:\r\n\t27", malformed),
        LINE("Content-Length: 0\0 27", malformed),
        LINE("Content-Length: 0\0", malformed),
        LINE("Content-Length : 3\r\nTransfer-Encoding: chunked", malformed),
        LINE("Transfer-Encoding : chunked", malformed),
        LINE("Transfer-Encoding:\r\n chunked", malformed),
        LINE("Transfer-Encoding: identity\0chunked", malformed),
        LINE("X: a\r\n b", malformed),
        LINE("X: a\r\n b\r\nY: c", malformed),
        LINE("X: a\r\n b\r\n c\r\nContent-Length: 27", malformed),
        LINE(":", malformed),
        LINE(": x", malformed),
        LINE(":\r\nContent-Length: 27", malformed),
        LINE("X: y\r\n:\r\nContent-Length: 27", malformed),
        LINE("X: y\r\n:z\r\nContent-Length: 27", malformed),
        LINE("X Y: z", malformed),
        LINE("X: \0", malformed),
        LINE("X: a\rContent-Length: 27", malformed),
        LINE("X: a\r", malformed),
        LINE("Host: y", "there is more than one Host"),
        LINE("Content-Length: 27\r\nContent-Length: 27", "there is more than one Content-Length"),
        LINE("Content-Length: 27\r\nTransfer-Encoding: chunked",
             "Content-Length and Transfer-Encoding exclude each other"),
        LINE("Transfer-Encoding: gzip, chunked", "Transfer-Encoding can only be chunked"),
        LINE("Transfer-Encoding: chunked ", "Transfer-Encoding can only be chunked"),
        LINE("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
             "Transfer-Encoding can only be chunked"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char request[400] = "POST /small HTTP/1.1\r\nHost: x\r\nX-Request-Id: id-1\r\n";
        size_t size = strlen(request);
        memcpy(request + size, cases[i].line, cases[i].size);
        size += cases[i].size;
        memcpy(request + size, "\r\n\r\n" SECOND, sizeof SECOND + 3);
        char *response = client_ask_bytes(*state, request, size + sizeof SECOND + 3);
        if (status_of(response) != 400 || answers_in(response) != 1)
            print_error("%s: %s\n", cases[i].line, response);
        assert_int_equal(status_of(response), 400);
        assert_int_equal(answers_in(response), 1);
        assert_string_equal(header_of(response, "Content-Type"), "application/problem+json");
        assert_string_equal(header_of(response, "X-Request-Id"), "id-1");
        assert_string_equal(header_of(response, "Connection"), "close");
        assert_non_null(strstr(response, cases[i].detail));
        free(response);
    }
#undef LINE
    expect_problem(*state,
                   "POST /small HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: "
                   "chunked\r\n" END "0\r\n\r\n",
                   400, "Bad Request", "HTTP/1.0 has no Transfer-Encoding");
    static const char nul[] = "GET /v1/models/a\0b HTTP/1.1\r\n" END;
    char *response = client_ask_bytes(*state, nul, sizeof nul - 1);
    assert_int_equal(status_of(response), 400);
    assert_non_null(strstr(response, malformed));
    free(response);
}

/* The same with every byte of the head in a packet of its own, as the head is then read in steps.
 */
static void test_heads_in_pieces(void **state)
{
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {"GET /v1/models/a?b=c HTTP/1.1\r\nX: 1\r\nY:\r\nZ:  2 \r\n" END, 200},
        {"GET / HTTP/1.1\nHost: x\nConnection: close\n\n", 200},
        {"GET / HTTP/1.0\r\n\r\n", 200},
        {"GET / HTTP/1.1\r\nX: 1\r\n 2\r\n" END, 400},
        {"GET / HTTP/1.1\r\nX: 1\r\n:\r\n" END, 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = client_connect(*state), one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        for (const char *byte = cases[i].request; *byte; byte++) {
            if (!client_send(fd, byte, 1))
                break;
            sleep_ms(1);
        }
        char *response = client_read(fd, NULL);
        assert_int_equal(status_of(response), cases[i].status);
        free(response);
        close(fd);
    }
}

/* Many headers, and many requests on a connection: the library's memory is used over and over. */
static void test_heads_that_are_fine(void **state)
{
    static char request[60000];
    for (int round = 0; round < 30; round++) {
        request[0] = '\0';
        for (int i = 0; i < 3; i++) {
            strcat(request, "GET /v1/models/a?b=c&d HTTP/1.1\r\n");
            for (int k = 0; k < round * 3; k++)
                snprintf(request + strlen(request), 200, "X-%d: %.*s\r\n", k, k,
                         "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 "
                         "0123456789");
            strcat(request, i < 2 ? "Host: x\r\n\r\n" : END);
        }
        char *response = client_ask(*state, request);
        if (answers_in(response) != 3 || strstr(response, " 400 "))
            print_error("%s\n", response);
        assert_int_equal(answers_in(response), 3);
        assert_null(strstr(response, " 400 "));
        free(response);
    }
}

#define CLOSE "Connection: close\r\nX-Request-Id: id-1\r\n\r\n"

static void test_hosts(void **state)
{
    struct http_server *server = *state;
    expect_problem(server, "GET / HTTP/1.1\r\n" CLOSE, 400, "Bad Request", "HTTP/1.1 needs a Host");
    expect_problem(server, "GET / HTTP/1.1\r\nHost: a b\r\n" CLOSE, 400, "Bad Request",
                   "Host is not the name of a host");
    expect_problem(server, "GET / HTTP/1.1\r\nHost: a/b\r\n" CLOSE, 400, "Bad Request",
                   "Host is not the name of a host");
    expect_problem(server, "GET /a b HTTP/1.1\r\n" END, 400, "Bad Request",
                   "the target has a space");
    expect(server, "GET /host HTTP/1.1\r\nHost: [::1]:80 \r\n" CLOSE, 200, "host=[::1]:80 \n");
    expect(server, "GET /host HTTP/1.1\r\nHost:\r\n" CLOSE, 200, "host=\n");
    expect(server, "GET /host HTTP/1.0\r\n" CLOSE, 200, "host=none\n");
}

static void test_absolute_targets(void **state)
{
    struct http_server *server = *state;
    expect(server, "GET http://b.example:81/host?a=1&c HTTP/1.1\r\n" END, 200,
           "host=b.example:81 ?a=1 ?c=\n");
    expect(server, "GET HTTPS://b.example/host HTTP/1.1\r\n" END, 200, "host=b.example\n");
    expect(server, "GET http://b.example HTTP/1.1\r\n" END, 200, "GET / type= size=0 body=" TAIL);
    expect(server, "GET http://b.example?a=1 HTTP/1.1\r\n" END, 200,
           "GET / type= size=0 ?a=1 body=" TAIL);
    expect_problem(server, "GET http:///host HTTP/1.1\r\n" END, 400, "Bad Request",
                   "the target's authority is not the name of a host");
    expect_problem(server, "GET http://me@b.example/host HTTP/1.1\r\n" END, 400, "Bad Request",
                   "the target's authority is not the name of a host");
    expect_problem(server, "GET http://b.example/host HTTP/1.1\r\n" CLOSE, 400, "Bad Request",
                   "HTTP/1.1 needs a Host");
    expect_problem(server, "GET http://b.example//host HTTP/1.1\r\n" END, 404, "Not Found",
                   "there is nothing at this path");
    expect_problem(server, "GET ftp://b.example/host HTTP/1.1\r\n" END, 404, "Not Found",
                   "there is nothing at this path");
}

static void test_large_heads(void **state)
{
    struct http_server *server = *state;
    static char request[300000];
    strcpy(request, "GET /?");
    memset(request + 6, 'a', 5000);
    strcpy(request + 5006, " HTTP/1.1\r\n" END);
    expect_problem(server, request, 414, "URI Too Long",
                   "the URL's 5001 bytes are over the limit of 4096");
    strcpy(request, "GET / HTTP/1.1\r\nX: ");
    memset(request + strlen(request), 'a', 17000);
    strcpy(request + 17019, "\r\n" END);
    char *response = client_ask(server, request);
    assert_int_equal(status_of(response), 431);
    assert_non_null(strstr(response, "the headers' 17053 bytes are over the limit of 16384"));
    free(response);
    strcpy(request, "GET / HTTP/1.1\r\n" END);
    request[strlen(request) - 2] = '\0';
    for (int i = 0; i < 100; i++)
        strcat(request, "Y: 1\r\n");
    strcat(request, "\r\n");
    expect_problem(server, request, 431, "Request Header Fields Too Large",
                   "the request has 100 header lines or more");
    strcpy(request, "GET / HTTP/1.1\r\nX: ");
    memset(request + strlen(request), 'a', 200000);
    strcpy(request + 200000, "\r\n" END);
    response = client_ask(server, request);
    assert_true(status_of(response) == 431 || status_of(response) == 0);
    free(response);
}

#define CHUNKED_IN_PART                                                                            \
    "POST /small HTTP/1.1\r\nHost: x\r\nX-Request-Id: id-1\r\nTransfer-Encoding: chunked\r\n"      \
    "\r\n3\r\nabc\r\n"

/* A 408 for what does not arrive in time; silence for those that never began. */
static void test_late(void **state)
{
    static const char *const starts[] = {
        "POST /small HTTP/1.1\r\nHost: x\r\nX-Request-Id: id-1\r\nContent-Length: 9\r\n\r\nabc",
        CHUNKED_IN_PART,
        "POST /none HTTP/1.1\r\nHost: x\r\nX-Request-Id: id-1\r\nContent-Length: 9\r\n\r\nabc",
        "GET / HTTP/1.1\r\nHost: x\r\nX-Request-I",
        "GET / HT",
        "",
    };
    int fds[6], before = atomic_load(&accesses);
    for (size_t i = 0; i < 6; i++) {
        fds[i] = client_connect(*state);
        client_say(fds[i], starts[i]);
    }
    for (size_t i = 0; i < 6; i++) {
        double begin = now_ms();
        char *response = client_read(fds[i], NULL);
        assert_true(now_ms() - begin < 8000);
        assert_int_equal(status_of(response), i < 4 ? 408 : 0);
        if (i < 4) {
            const char *id = header_of(response, "X-Request-Id");
            assert_true(i < 3 ? strcmp(id, "id-1") == 0 : strlen(id) == 32);
            assert_int_equal(atoi(header_of(response, "Content-Length")),
                             strlen(body_of(response)));
            assert_string_equal(header_of(response, "Content-Type"), "application/problem+json");
            assert_string_equal(header_of(response, "Connection"), "close");
            assert_int_equal(answers_in(response), 1);
            assert_non_null(
                strstr(response, "\"detail\": \"the request has not arrived in time\""));
        }
        free(response);
        close(fds[i]);
    }
    assert_true(wait_for(&accesses, before + 4));
    assert_int_equal(atomic_load(&last_status), 408);
}

/* A chunked body that never ends: its refusal does not wait for the end. */
static void test_endless_body(void **state)
{
    int fd = client_connect(*state), before = atomic_load(&accesses);
    client_say(fd, "POST /small HTTP/1.1\r\nHost: x\r\nX-Request-Id: id-1\r\n"
                   "Origin: https://good.example\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "ffffffffffffff\r\n");
    char much[1500];
    memset(much, 'x', sizeof much);
    client_send(fd, much, sizeof much);
    double begin = now_ms();
    char *response = client_read(fd, NULL);
    assert_true(now_ms() - begin < 1000);
    assert_int_equal(status_of(response), 413);
    assert_string_equal(header_of(response, "X-Request-Id"), "id-1");
    assert_string_equal(header_of(response, "Access-Control-Allow-Origin"), "https://good.example");
    assert_int_equal(atoi(header_of(response, "Content-Length")), strlen(body_of(response)));
    assert_non_null(strstr(response, "\"detail\": \"the body is over the limit of 1000 bytes\""));
    free(response);
    close(fd);
    assert_true(wait_for(&accesses, before + 1));
    assert_int_equal(atomic_load(&last_status), 413);
}

/* ---- crowds */

enum { CROWD = 40 };

static struct http_server *start_for_crowd(void)
{
    struct http_config config = support_config();
    config.connections_max = CROWD;
    return support_start(&config);
}

static void assert_served(struct http_server *server)
{
    double begin = now_ms();
    expect(server, "GET / HTTP/1.1\r\n" END, 200, "GET / type= size=0 body=" TAIL);
    assert_true(now_ms() - begin < 1000);
}

/* The other side has closed it. */
static bool is_closed(int fd)
{
    char byte;
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    return poll(&poller, 1, 1000) > 0 && recv(fd, &byte, 1, 0) <= 0;
}

static bool is_open(int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    return poll(&poller, 1, 0) == 0;
}

/* One client's silent connections do not keep others out: the one that was idle longest goes. */
static void test_silent_crowd(void **state)
{
    (void)state;
    struct http_server *server = start_for_crowd();
    int kept = client_connect(server), silent[3 * CROWD];
    for (int i = 0; i < 5; i++) {
        silent[i] = client_connect(server);
        sleep_ms(5);
    }
    client_say(kept, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    free(client_read(kept, "trace="));
    for (int i = 5; i < CROWD; i++)
        silent[i] = client_connect(server);
    assert_served(server);
    assert_true(is_closed(silent[0]));
    for (int i = CROWD; i < 3 * CROWD; i++)
        silent[i] = client_connect(server);
    assert_served(server);
    assert_true(is_closed(silent[1]));
    assert_true(is_closed(kept));
    assert_true(is_open(silent[3 * CROWD - 1]));
    client_say(silent[3 * CROWD - 1], "GET / HTTP/1.1\r\n" END);
    char *response = client_read(silent[3 * CROWD - 1], NULL);
    assert_int_equal(status_of(response), 200);
    free(response);
    for (int i = 0; i < 3 * CROWD; i++)
        close(silent[i]);
    close(kept);
    http_stop(server, 1000);
}

static void wait_for_requests(struct http_server *server, size_t n)
{
    for (int i = 0; i < 1000 && http_open_requests(server) != n; i++)
        sleep_ms(5);
    assert_int_equal(http_open_requests(server), n);
}

/* Requests in progress are never given up for new connections: those wait. */
static void test_busy_crowd(void **state)
{
    (void)state;
    struct http_server *server = start_for_crowd();
    int busy[CROWD];
    for (int i = 0; i < CROWD; i++) {
        busy[i] = client_connect(server);
        client_say(busy[i], i % 2
                                ? "GET / HTTP/1.1\r\nX-Slow: "
                                : "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\na");
        wait_for_requests(server, (size_t)i + 1);
        if (i == CROWD - 2)
            for (int k = 0; k < 10; k++)
                assert_served(server);
    }
    int next = client_connect(server);
    client_say(next, "GET / HTTP/1.1\r\n" END);
    sleep_ms(300);
    assert_true(is_open(next));
    for (int i = 0; i < CROWD; i++) {
        assert_true(is_open(busy[i]));
        client_say(busy[i], i % 2 ? "1\r\n" END : "bcd");
        char *response = client_read(busy[i], "trace=");
        assert_int_equal(status_of(response), 200);
        free(response);
        close(busy[i]);
    }
    char *response = client_read(next, NULL);
    assert_int_equal(status_of(response), 200);
    free(response);
    close(next);
    http_stop(server, 1000);
}

/* As many connections as configured are possible, if the system allows that at all. */
static void test_many_files(void **state)
{
    (void)state;
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    if (before.rlim_max < 1000)
        skip();
    few = before;
    few.rlim_cur = 300;
    setrlimit(RLIMIT_NOFILE, &few);
    struct http_config config = support_config();
    config.connections_max = 700;
    struct http_server *server = support_start(&config);
    assert_int_equal(http_connections_max(server), 700);
    getrlimit(RLIMIT_NOFILE, &few);
    assert_true(few.rlim_cur >= 700);
    http_stop(server, 1000);
    setrlimit(RLIMIT_NOFILE, &before);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
#define WITH(test) cmocka_unit_test_setup_teardown(test, start, stop)
    const struct CMUnitTest tests[] = {
        WITH(test_framing),
        WITH(test_unclear_heads),
        WITH(test_heads_in_pieces),
        WITH(test_heads_that_are_fine),
        WITH(test_hosts),
        WITH(test_absolute_targets),
        WITH(test_large_heads),
        WITH(test_late),
        WITH(test_endless_body),
        cmocka_unit_test(test_silent_crowd),
        cmocka_unit_test(test_busy_crowd),
        cmocka_unit_test(test_many_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
