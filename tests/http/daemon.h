/* For tests of the whole service: the daemon as a process, its log, and a scratch folder.
 *
 *     struct daemon daemon = {0};
 *     daemon_start(&daemon, FLAGS("--workers", "1"));         listens and is ready
 *     ... daemon.base is "http://127.0.0.1:PORT" ...
 *     daemon_kill(&daemon); daemon_start(&daemon, flags);     the same folder and store
 *     assert_int_equal(daemon_stop(&daemon), 0);              SIGTERM; its exit status
 *     daemon_clean(&daemon);                                  ends it if need be; removes the
 * folder
 *
 * The program is $LAYERMASKD, or build/layermaskd; tests run in the root of the repository.  Unless
 * the flags say otherwise, it listens on a free port of 127.0.0.1 and keeps jobs in the folder. */
#ifndef DAEMON_H
#define DAEMON_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <jansson.h>

#include "../support/sockets.h"

struct daemon {
    pid_t pid; /* 0: not running */
    char folder[64];
    char log[96]; /* its stderr since the first start */
    char store[128];
    uint16_t port;
    char base[64];
    long log_from; /* where the log of this start begins */
};

enum { DAEMON_FLAGS_MAX = 32, DAEMON_LIMIT_MS = 20000 };
#define FLAGS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_FLAGS ((const char *const[]){NULL})

/* ---- files */

/* Malloc'ed, with a NUL behind it. */
static inline char *file_bytes(const char *path, size_t *size)
{
    char *bytes = NULL;
    size_t n = 0, got;
    FILE *file = fopen(path, "rb");
    if (!file)
        print_error("%s: %s\n", path, strerror(errno));
    assert_non_null(file);
    do {
        bytes = realloc(bytes, n + 65537);
        assert_non_null(bytes);
        got = fread(bytes + n, 1, 65536, file);
        n += got;
    } while (got > 0);
    fclose(file);
    bytes[n] = '\0';
    if (size)
        *size = n;
    return bytes;
}

static inline void file_put(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline void file_copy(const char *from, const char *to)
{
    size_t size;
    char *bytes = file_bytes(from, &size);
    file_put(to, bytes, size);
    free(bytes);
}

static inline void folder_remove(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        char name[4096];
        struct stat status;
        int length = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            length >= (int)sizeof name)
            continue;
        if (lstat(name, &status) == 0 && S_ISDIR(status.st_mode))
            folder_remove(name);
        else
            unlink(name);
    }
    if (folder)
        closedir(folder);
    rmdir(path);
}

/* ---- the log */

/* The last line of this event since the daemon's last start, which the caller decrefs; NULL: there
 * is none. */
static inline json_t *daemon_logged(const struct daemon *daemon, const char *event)
{
    json_t *found = NULL;
    char *text = file_bytes(daemon->log, NULL), *rest = NULL;
    for (char *line = strtok_r(text + daemon->log_from, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        json_t *entry = json_loads(line, 0, NULL);
        const char *name = json_string_value(json_object_get(entry, "event"));
        if (name && strcmp(name, event) == 0) {
            json_decref(found);
            found = json_incref(entry);
        }
        json_decref(entry);
    }
    free(text);
    return found;
}

static inline void daemon_show_log(const struct daemon *daemon)
{
    char *text = file_bytes(daemon->log, NULL);
    size_t size = strlen(text + daemon->log_from);
    print_error("log of the daemon:\n%s\n",
                text + daemon->log_from + (size > 8000 ? size - 8000 : 0));
    free(text);
}

static inline bool daemon_log_has(const struct daemon *daemon, const char *words)
{
    char *text = file_bytes(daemon->log, NULL);
    bool has = strstr(text, words) != NULL;
    free(text);
    return has;
}

/* The log is written a moment after what a client sees: these wait for it. */

static inline json_t *daemon_await_logged(const struct daemon *daemon, const char *event)
{
    double end = now_ms() + DAEMON_LIMIT_MS;
    json_t *line = NULL;
    while (!(line = daemon_logged(daemon, event))) {
        if (now_ms() > end) {
            daemon_show_log(daemon);
            fail_msg("nothing is logged of %s", event);
        }
        sleep_ms(5);
    }
    return line;
}

static inline void daemon_await_log(const struct daemon *daemon, const char *words)
{
    double end = now_ms() + DAEMON_LIMIT_MS;
    while (!daemon_log_has(daemon, words)) {
        if (now_ms() > end) {
            daemon_show_log(daemon);
            fail_msg("the log does not say %s", words);
        }
        sleep_ms(5);
    }
}

/* ---- the process */

static inline const char *daemon_program(void)
{
    const char *program = getenv("LAYERMASKD");
    return program && *program ? program : "build/layermaskd";
}

static inline bool flags_have(const char *const *flags, const char *name)
{
    for (; *flags; flags++)
        if (strcmp(*flags, name) == 0)
            return true;
    return false;
}

/* Becomes the daemon, in an environment without options. */
static inline _Noreturn void daemon_become(const struct daemon *daemon, const char *const *flags)
{
    const char *arguments[DAEMON_FLAGS_MAX + 6] = {daemon_program()};
    size_t n = 1;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves it behind */
    int log = open(daemon->log, O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (log < 0 || dup2(log, STDERR_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0)
        _exit(126);
    if (!flags_have(flags, "--listen")) {
        arguments[n++] = "--listen";
        arguments[n++] = "127.0.0.1:0";
    }
    if (!flags_have(flags, "--store")) {
        arguments[n++] = "--store";
        arguments[n++] = daemon->store;
    }
    for (size_t i = 0; flags[i] && n < DAEMON_FLAGS_MAX + 5; i++)
        arguments[n++] = flags[i];
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    execv(arguments[0], (char **)(uintptr_t)arguments);
    fprintf(stderr, "%s: %s\n", arguments[0], strerror(errno));
    _exit(127);
}

static inline void daemon_make_folder(struct daemon *daemon)
{
    if (daemon->folder[0])
        return;
    snprintf(daemon->folder, sizeof daemon->folder, "/tmp/layermask-http-XXXXXX");
    assert_non_null(mkdtemp(daemon->folder));
    snprintf(daemon->log, sizeof daemon->log, "%s/log", daemon->folder);
    snprintf(daemon->store, sizeof daemon->store, "sqlite:%s/jobs.db", daemon->folder);
    file_put(daemon->log, "", 0);
}

/* Starts it without waiting for anything. */
static inline void daemon_launch(struct daemon *daemon, const char *const *flags)
{
    struct stat status;
    daemon_make_folder(daemon);
    assert_int_equal(stat(daemon->log, &status), 0);
    daemon->log_from = (long)status.st_size;
    fflush(NULL);
    daemon->pid = fork();
    assert_true(daemon->pid >= 0);
    if (daemon->pid == 0)
        daemon_become(daemon, flags);
}

/* Its exit status, or 128 + the signal that ended it; -1: still running after the limit. */
static inline int daemon_wait(struct daemon *daemon, long limit_ms)
{
    int status = 0;
    double end = now_ms() + (double)limit_ms;
    while (waitpid(daemon->pid, &status, WNOHANG) == 0) {
        if (now_ms() > end)
            return -1;
        sleep_ms(2);
    }
    daemon->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A connection of plain sockets, -1 if it is refused. */
static inline int daemon_connect(const struct daemon *daemon)
{
    return socket_connect(daemon->port);
}

/* Status of GET path with a connection of its own; 0: no answer. */
static inline int daemon_status(const struct daemon *daemon, const char *path)
{
    char request[256];
    int fd = daemon_connect(daemon), status = 0;
    if (fd < 0)
        return 0;
    snprintf(request, sizeof request,
             "GET %s HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\nConnection: close\r\n\r\n",
             path);
    if (socket_send(fd, request, strlen(request))) {
        char *text = socket_read(fd, 4096, NULL);
        sscanf(text, "HTTP/1.1 %d", &status);
        free(text);
    }
    close(fd);
    return status;
}

static inline void daemon_await_port(struct daemon *daemon)
{
    double end = now_ms() + DAEMON_LIMIT_MS;
    for (daemon->port = 0; daemon->port == 0; sleep_ms(2)) {
        json_t *line = daemon_logged(daemon, "listening");
        daemon->port = (uint16_t)json_integer_value(json_object_get(line, "port"));
        json_decref(line);
        if (daemon->port == 0 && (now_ms() > end || daemon_wait(daemon, 0) >= 0)) {
            daemon_show_log(daemon);
            fail_msg("%s does not listen", daemon_program());
        }
    }
    snprintf(daemon->base, sizeof daemon->base, "http://127.0.0.1:%u", daemon->port);
}

static inline void daemon_await_status(const struct daemon *daemon, const char *path, int status)
{
    double end = now_ms() + DAEMON_LIMIT_MS;
    while (daemon_status(daemon, path) != status) {
        if (now_ms() > end) {
            daemon_show_log(daemon);
            fail_msg("%s is %d, not %d", path, daemon_status(daemon, path), status);
        }
        sleep_ms(5);
    }
}

static inline void daemon_start(struct daemon *daemon, const char *const *flags)
{
    daemon_launch(daemon, flags);
    daemon_await_port(daemon);
    daemon_await_status(daemon, "/readyz", 200);
}

/* SIGTERM; what daemon_wait says. */
static inline int daemon_stop(struct daemon *daemon)
{
    assert_true(daemon->pid > 0);
    kill(daemon->pid, SIGTERM);
    int status = daemon_wait(daemon, 2 * DAEMON_LIMIT_MS);
    if (status != 0)
        daemon_show_log(daemon);
    return status;
}

/* kill -9 */
static inline void daemon_kill(struct daemon *daemon)
{
    assert_true(daemon->pid > 0);
    kill(daemon->pid, SIGKILL);
    assert_int_equal(daemon_wait(daemon, DAEMON_LIMIT_MS), 128 + SIGKILL);
}

static inline void daemon_clean(struct daemon *daemon)
{
    if (daemon->pid > 0) {
        kill(daemon->pid, SIGKILL);
        daemon_wait(daemon, DAEMON_LIMIT_MS);
    }
    if (daemon->folder[0])
        folder_remove(daemon->folder);
    *daemon = (struct daemon){0};
}

/* For group fixtures: a daemon of these flags as the tests' state, and its end, which must be clean
 * (a sanitizer's report is not). */
static struct daemon shared_daemon;

static inline int daemon_shared_start(void **state, const char *const *flags)
{
    daemon_start(&shared_daemon, flags);
    *state = &shared_daemon;
    return 0;
}

static inline int daemon_shared_stop(void **state)
{
    (void)state;
    int status = daemon_stop(&shared_daemon);
    daemon_clean(&shared_daemon);
    return status;
}

#endif
