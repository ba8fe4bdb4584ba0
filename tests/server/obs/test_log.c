/* Log lines: exact texts, hostile texts (judged by another JSON parser), limits; and the sink: one
 * line one write, threads, readers that are stuck or gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <jansson.h>

#include "obs/log.h"

/* 2026-01-31T12:00:00.123Z by `date -u -d @1769860800` */
static const struct timespec noon = {1769860800, 123456789};
#define HEAD "{\"ts\":\"2026-01-31T12:00:00.123Z\",\"level\":\"info\",\"event\":\"e\""

static char line[LOG_LINE_BYTES + 1];

static const char *line_of(struct log_field field)
{
    size_t size = log_line(line, noon, LOG_INFO, "e", &field, 1);
    assert_int_equal(size, strlen(line));
    return line;
}

static void all_types(void **state)
{
    (void)state;
    assert_string_equal(line_of(log_text("a", "b c")), HEAD ",\"a\":\"b c\"}\n");
    assert_string_equal(line_of(log_text("a", "")), HEAD ",\"a\":\"\"}\n");
    assert_string_equal(line_of(log_text("a", NULL)), HEAD "}\n");
    assert_string_equal(line_of(log_bytes("a", "b\0c", 3)), HEAD ",\"a\":\"b\\u0000c\"}\n");
    assert_string_equal(line_of(log_int("n", INT64_MIN)), HEAD ",\"n\":-9223372036854775808}\n");
    assert_string_equal(line_of(log_uint("n", UINT64_MAX)), HEAD ",\"n\":18446744073709551615}\n");
    assert_string_equal(line_of(log_real("x", 1.25)), HEAD ",\"x\":1.25}\n");
    assert_string_equal(line_of(log_real("x", 1e-9)), HEAD ",\"x\":1e-09}\n");
    assert_string_equal(line_of(log_real("x", NAN)), HEAD ",\"x\":null}\n");
    assert_string_equal(line_of(log_real("x", -INFINITY)), HEAD ",\"x\":null}\n");
}

static void levels(void **state)
{
    (void)state;
    static const char *const names[] = {"debug", "info", "warning", "error"};
    for (enum log_level level = LOG_DEBUG; level < LOG_NOTHING; level++) {
        char wanted[40];
        enum log_level parsed = LOG_NOTHING;
        snprintf(wanted, sizeof wanted, "\"level\":\"%s\"", names[level]);
        log_line(line, noon, level, "e", NULL, 0);
        assert_non_null(strstr(line, wanted));
        assert_true(log_level_parse(names[level], &parsed));
        assert_int_equal(parsed, level);
    }
    enum log_level untouched = LOG_ERROR;
    assert_false(log_level_parse("Info", &untouched));
    assert_false(log_level_parse("", &untouched));
    assert_int_equal(untouched, LOG_ERROR);
}

static void times(void **state)
{
    (void)state;
    log_line(line, (struct timespec){0, 999999999}, LOG_INFO, "e", NULL, 0);
    assert_memory_equal(line, "{\"ts\":\"1970-01-01T00:00:00.999Z\"", 32);
    log_line(line, (struct timespec){951782400, 0}, LOG_INFO, "e", NULL, 0);
    assert_memory_equal(line, "{\"ts\":\"2000-02-29T00:00:00.000Z\"", 32);
}

/* Escapes; what is not UTF-8 becomes U+FFFD (Unicode's tables 3-7 and 3-8 for the cases). */
static void hostile_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"a\"b\\c", "a\\\"b\\\\c"},
        {"a\nb\rc\td", "a\\nb\\u000dc\\u0009d"},
        {"\x1b[31m", "\\u001b[31m"},
        {"\x7f", "\\u007f"},
        {"\xc2\x85", "\\u0085"},
        {"\xc2\xa0", "\xc2\xa0"},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\xff", "\xef\xbf\xbd"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe0\x9f\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe2\x82x", "\xef\xbf\xbd\xef\xbf\xbdx"},
        {"{\"level\":\"error\"}\n{", "{\\\"level\\\":\\\"error\\\"}\\n{"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char wanted[200];
        snprintf(wanted, sizeof wanted, HEAD ",\"t\":\"%s\"}\n", cases[i].shown);
        assert_string_equal(line_of(log_text("t", cases[i].text)), wanted);
    }
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    char text[LOG_TEXT_BYTES + 10];
    memset(text, 'x', sizeof text);
    text[LOG_TEXT_BYTES] = '\0';
    line_of(log_text("t", text));
    assert_null(strstr(line, "..."));
    assert_int_equal(strlen(line), strlen(HEAD) + 6 + LOG_TEXT_BYTES + 3);
    text[LOG_TEXT_BYTES] = 'x';
    text[LOG_TEXT_BYTES + 1] = '\0';
    line_of(log_text("t", text));
    assert_non_null(strstr(line, "x...\"}\n"));
    memcpy(text + LOG_TEXT_BYTES - 2, "\xe2\x82\xac", 4); /* would be cut in the middle */
    line_of(log_text("t", text));
    assert_non_null(strstr(line, "x...\"}\n"));
    assert_null(strstr(line, "\xef\xbf\xbd"));
}

static void what_does_not_fit_is_left_out(void **state)
{
    (void)state;
    char text[LOG_TEXT_BYTES + 1];
    memset(text, '\x01', LOG_TEXT_BYTES); /* six times as long when escaped */
    text[LOG_TEXT_BYTES] = '\0';
    assert_string_equal(line_of(log_text("t", text)), HEAD ",\"cut\":true}\n");
    memset(text, 'x', LOG_TEXT_BYTES);
    struct log_field fields[] = {log_text("a", text), log_text("b", text), log_text("c", text),
                                 log_text("d", text), log_uint("after", 1)};
    size_t size = log_line(line, noon, LOG_INFO, "e", fields, 5);
    assert_true(size < LOG_LINE_BYTES);
    assert_non_null(strstr(line, "\"c\":\"xx"));
    assert_null(strstr(line, "\"d\":"));
    assert_non_null(strstr(line, ",\"after\":1,\"cut\":true}\n"));
    size = log_line(line, noon, LOG_INFO, text, NULL, 0); /* an event is a text as others */
    assert_int_equal(line[size - 1], '\n');
}

/* Every length around the limit gives a whole object. */
static void every_length(void **state)
{
    (void)state;
    char text[LOG_TEXT_BYTES + 1], rest[LOG_TEXT_BYTES + 1];
    memset(text, 'x', LOG_TEXT_BYTES);
    text[LOG_TEXT_BYTES] = '\0';
    for (size_t length = 0; length <= LOG_TEXT_BYTES; length++) {
        memcpy(rest, text, LOG_TEXT_BYTES);
        rest[length] = '\0';
        struct log_field fields[] = {log_text("a", text), log_text("b", text), log_text("c", text),
                                     log_text("d", rest)};
        size_t size = log_line(line, noon, LOG_INFO, "e", fields, 4);
        assert_true(size <= LOG_LINE_BYTES);
        json_t *parsed = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(parsed);
        assert_true(json_object_get(parsed, "d") || json_object_get(parsed, "cut"));
        json_decref(parsed);
    }
}

static void random_bytes_stay_json(void **state)
{
    (void)state;
    uint32_t random = 1;
    for (int i = 0; i < 20000; i++) {
        unsigned char bytes[40];
        for (size_t j = 0; j < sizeof bytes; j++) {
            random = random * 1664525 + 1013904223;
            bytes[j] = (unsigned char)(random >> 24);
            if (random >> 16 & 1)
                bytes[j] |= 0xc0;
        }
        struct log_field field = log_bytes("t", bytes, sizeof bytes);
        size_t size = log_line(line, noon, LOG_INFO, "e", &field, 1);
        json_t *parsed = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        assert_non_null(parsed);
        assert_ptr_equal(memchr(line, '\n', size), line + size - 1);
        json_decref(parsed);
    }
}

/* ---- the sink ---- */

static int ends[2];

static void open_pipe(enum log_level least)
{
    assert_int_equal(pipe(ends), 0);
    log_start(ends[1], least);
}

static void close_pipe(void)
{
    log_start(-1, LOG_NOTHING);
    close(ends[0]);
    close(ends[1]);
}

static ssize_t read_some(char *out, size_t size)
{
    ssize_t got = read(ends[0], out, size - 1);
    assert_true(got >= 0);
    out[got] = '\0';
    return got;
}

static void events_by_level(void **state)
{
    (void)state;
    char text[4096];
    log_event(LOG_ERROR, "before_the_start");
    open_pipe(LOG_WARNING);
    assert_false(log_wants(LOG_INFO));
    assert_true(log_wants(LOG_WARNING));
    log_event(LOG_INFO, "quiet", log_int("n", 1));
    log_event(LOG_WARNING, "alone");
    log_event(LOG_ERROR, "loud", log_int("n", -1), log_text("absent", NULL));
    log_event(LOG_NOTHING, "never");
    read_some(text, sizeof text);
    assert_null(strstr(text, "quiet"));
    assert_null(strstr(text, "never"));
    assert_null(strstr(text, "before"));
    assert_non_null(strstr(text, "Z\",\"level\":\"warning\",\"event\":\"alone\"}\n{\"ts\":\"20"));
    assert_non_null(strstr(text, "\"event\":\"loud\",\"n\":-1}\n"));
    close_pipe();
}

enum { THREADS = 4, EVENTS = 500 };

static void *log_many(void *argument)
{
    char text[300];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    for (uint64_t i = 0; i < EVENTS; i++)
        log_event(LOG_INFO, "many", log_uint("thread", *(const uint64_t *)argument),
                  log_uint("i", i), log_text("text", text));
    return NULL;
}

static void threads_do_not_mix_lines(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    log_start(fileno(file), LOG_DEBUG);
    pthread_t threads[THREADS];
    uint64_t numbers[THREADS], next[THREADS] = {0};
    for (size_t i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, &numbers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    log_start(-1, LOG_NOTHING);
    rewind(file);
    int lines = 0;
    while (fgets(line, sizeof line, file)) {
        json_t *parsed = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(parsed);
        json_int_t thread = json_integer_value(json_object_get(parsed, "thread"));
        assert_int_equal(json_integer_value(json_object_get(parsed, "i")), next[thread]++);
        json_decref(parsed);
        lines++;
    }
    assert_int_equal(lines, THREADS * EVENTS);
    fclose(file);
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* A pipe that nobody reads takes 64 KiB; what comes then is counted, without waiting each time. */
static void stuck_readers_do_not_stop_the_process(void **state)
{
    (void)state;
    char text[4096];
    open_pipe(LOG_INFO);
    double start = now_ms();
    for (int i = 0; i < 2000; i++)
        log_event(LOG_INFO, "flood", log_int("i", i));
    assert_true(now_ms() - start < 1000);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    size_t lines = 0;
    for (ssize_t n; (n = read(ends[0], text, sizeof text)) > 0;)
        for (ssize_t i = 0; i < n; i++)
            lines += text[i] == '\n';
    assert_true(lines > 100 && lines < 2000);
    log_event(LOG_INFO, "again");
    read_some(text, sizeof text);
    char wanted[100];
    snprintf(wanted, sizeof wanted,
             "\"level\":\"warning\",\"event\":\"log_lines_lost\",\"lines\":%zu}\n", 2000 - lines);
    assert_non_null(strstr(text, wanted));
    assert_non_null(strstr(text, "\"event\":\"again\"}\n"));
    close_pipe();
}

static void readers_that_left_do_not_matter(void **state)
{
    (void)state;
    open_pipe(LOG_INFO);
    close(ends[0]);
    double start = now_ms();
    for (int i = 0; i < 1000; i++)
        log_event(LOG_INFO, "nobody");
    assert_true(now_ms() - start < 1000);
    log_start(-1, LOG_NOTHING);
    close(ends[1]);
}

/* What a full disk does: a file that takes no more than these bytes. */
static int limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0)
        return -1;
    limit.rlim_cur = bytes;
    return setrlimit(RLIMIT_FSIZE, &limit);
}

/* After a line that was written in part, the next one starts on a line of its own. */
static void torn_lines_are_ended(void **state)
{
    (void)state;
    char text[8192];
    FILE *file = tmpfile();
    assert_non_null(file);
    signal(SIGXFSZ, SIG_IGN);
    log_start(fileno(file), LOG_INFO);
    assert_int_equal(limit_file_size(100), 0);
    log_event(LOG_INFO, "whole");
    log_event(LOG_INFO, "in_part");
    log_event(LOG_INFO, "lost");
    assert_int_equal(limit_file_size(100000), 0);
    log_event(LOG_INFO, "after");
    log_start(-1, LOG_NOTHING);
    rewind(file);
    size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    assert_non_null(strstr(text, "\"event\":\"whole\"}\n"));
    assert_null(strstr(text, "\"event\":\"in_part\"}"));
    char *lost = strstr(text, "\"event\":\"log_lines_lost\",\"lines\":2}\n");
    assert_non_null(lost);
    while (*lost != '{')
        lost--;
    assert_int_equal(lost[-1], '\n');
    assert_non_null(strstr(text, "\"event\":\"after\"}\n"));
    fclose(file);
}

static void errno_is_kept(void **state)
{
    (void)state;
    open_pipe(LOG_INFO);
    close(ends[0]);
    errno = 77;
    log_event(LOG_INFO, "x");
    assert_int_equal(errno, 77);
    log_start(-1, LOG_NOTHING);
    close(ends[1]);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_types),
        cmocka_unit_test(levels),
        cmocka_unit_test(times),
        cmocka_unit_test(hostile_texts),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(what_does_not_fit_is_left_out),
        cmocka_unit_test(every_length),
        cmocka_unit_test(random_bytes_stay_json),
        cmocka_unit_test(events_by_level),
        cmocka_unit_test(threads_do_not_mix_lines),
        cmocka_unit_test(stuck_readers_do_not_stop_the_process),
        cmocka_unit_test(readers_that_left_do_not_matter),
        cmocka_unit_test(torn_lines_are_ended),
        cmocka_unit_test(errno_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
