/* Where log lines go.
 *
 * Lines are made on the caller's stack and written under one lock.  A blocking descriptor is asked
 * with poll() first: a pipe that is writable takes a line of up to PIPE_BUF bytes at once, so that
 * only the first line after the reader got stuck waits (STUCK_MS), and those after it do not.
 * The sink is this program's one global: a log that had to be passed around would not be used. */
#include "obs/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { STUCK_MS = 50 };

static atomic_int threshold = LOG_NOTHING;

static struct sink {
    pthread_mutex_t lock;
    int fd;
    bool stuck;    /* the last line was lost */
    bool torn;     /* the last line was written in part, without its end */
    uint64_t lost; /* lines, not told yet */
} sink = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

void log_start(int fd, enum log_level least)
{
    pthread_mutex_lock(&sink.lock);
    sink.fd = fd;
    sink.stuck = sink.torn = false;
    sink.lost = 0;
    pthread_mutex_unlock(&sink.lock);
    atomic_store(&threshold, (int)least);
}

bool log_wants(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&threshold, memory_order_relaxed);
}

static bool is_writable(void)
{
    struct pollfd wanted = {.fd = sink.fd, .events = POLLOUT};
    int ready;
    do {
        ready = poll(&wanted, 1, sink.stuck ? 0 : STUCK_MS);
    } while (ready < 0 && errno == EINTR);
    return ready > 0 && wanted.revents & POLLOUT;
}

static ssize_t write_some(const char *bytes, size_t size)
{
    if (is_writable())
        return write(sink.fd, bytes, size);
    errno = EAGAIN;
    return -1;
}

/* One write() as a rule; more only where the system took a part (a disk that fills, a socket). */
static bool write_all(const char *bytes, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = write_some(bytes + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    if (done > 0)
        sink.torn = done < size;
    sink.stuck = done < size;
    return done == size;
}

static struct timespec now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return time;
}

static bool tell_of_losses(void)
{
    char line[LOG_LINE_BYTES + 1];
    const struct log_field lost = log_uint("lines", sink.lost);
    size_t size = log_line(line, now(), LOG_WARNING, "log_lines_lost", &lost, 1);
    if (!write_all(line, size))
        return false;
    sink.lost = 0;
    return true;
}

static void emit(const char *line, size_t size)
{
    bool written = (!sink.torn || write_all("\n", 1)) && (!sink.lost || tell_of_losses()) &&
                   write_all(line, size);
    if (!written)
        sink.lost++;
}

void log_fields(enum log_level level, const char *event, const struct log_field *fields,
                size_t count)
{
    if (level >= LOG_NOTHING || !log_wants(level))
        return;
    char line[LOG_LINE_BYTES + 1];
    int kept = errno;
    size_t size = log_line(line, now(), level, event, fields, count);
    pthread_mutex_lock(&sink.lock);
    if (sink.fd >= 0)
        emit(line, size);
    pthread_mutex_unlock(&sink.lock);
    errno = kept;
}

struct log_field log_text(const char *name, const char *text)
{
    if (!text)
        return (struct log_field){.type = LOG_ABSENT};
    return log_bytes(name, text, strlen(text));
}

struct log_field log_bytes(const char *name, const void *bytes, size_t size)
{
    return (struct log_field){
        .name = name, .type = LOG_TEXT, .value.text = {.bytes = bytes, .size = size}};
}

struct log_field log_int(const char *name, int64_t value)
{
    return (struct log_field){.name = name, .type = LOG_INTEGER, .value.integer = value};
}

struct log_field log_uint(const char *name, uint64_t value)
{
    return (struct log_field){.name = name, .type = LOG_UNSIGNED, .value.whole = value};
}

struct log_field log_real(const char *name, double value)
{
    return (struct log_field){.name = name, .type = LOG_NUMBER, .value.number = value};
}
