/* The watch.  Deadlines are looked at ten times a second while there are connections at all; a few
 * thousand entries in a list are nothing.  Entries are found by number, never by pointer, as an
 * event may be older than the entry's end.  Sockets are only ever shut down here, never closed,
 * except for the duplicates that linger. */
#include "http/watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "http/exchange.h"
#include "http/idle.h"
#include "http/plain.h"

#define TICK_MS 100
#define LINGER_MS 5000
#define HANG_UP_MS 1000
#define LINGERING_MAX 64
#define LINGER_BYTES_MAX (64u << 20)

struct watch_entry {
    struct watch_entry *previous, *next;
    struct idle_connection idle;
    uint64_t number;
    int fd;
    int64_t deadline_ms;
    int64_t ping_ms, ping_interval_ms; /* interval 0: no pings */
    struct exchange *exchange;
    const char *request_id; /* the exchange's; NULL: its head has not arrived */
    uint64_t lingered;
    bool is_armed;    /* the exchange is told when its client hangs up */
    bool is_arriving; /* no request, or one that is not complete: without a client, it is over */
    bool is_silent;   /* a request is arriving, and the library has no answer to it yet */
    bool has_left;    /* its deadline is near because the client has hung up */
    bool timed_out, must_linger;
    bool is_lingering; /* fd is ours */
};

struct watch {
    pthread_t thread;
    pthread_mutex_t lock;
    struct watch_options options;
    int epoll, wake;
    struct watch_entry *first;
    struct idle_list idle;
    uint64_t numbers;
    size_t n_open, n_lingering;
    bool stop;
};

static void wake(struct watch *watch)
{
    uint64_t one = 1;
    ssize_t written = write(watch->wake, &one, sizeof one);
    (void)written; /* full means that it is awake */
}

static struct watch_entry *find(struct watch *watch, uint64_t number)
{
    struct watch_entry *entry = watch->first;
    while (entry && entry->number != number)
        entry = entry->next;
    return entry;
}

static void unlink_entry(struct watch *watch, struct watch_entry *entry)
{
    if (entry->previous)
        entry->previous->next = entry->next;
    else
        watch->first = entry->next;
    if (entry->next)
        entry->next->previous = entry->previous;
}

static bool arm(struct watch *watch, int operation, struct watch_entry *entry, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = entry->number};
    return epoll_ctl(watch->epoll, operation, entry->fd, &event) == 0;
}

/* One event when the client hangs up; at once if it has. */
static void arm_again(struct watch *watch, struct watch_entry *entry)
{
    arm(watch, EPOLL_CTL_MOD, entry, EPOLLRDHUP | EPOLLONESHOT);
}

static void close_lingering(struct watch *watch, struct watch_entry *entry)
{
    unlink_entry(watch, entry);
    close(entry->fd);
    free(entry);
    watch->n_lingering--;
}

static void read_lingering(struct watch *watch, struct watch_entry *entry)
{
    static char rest[65536]; /* nobody looks at it */
    ssize_t got = recv(entry->fd, rest, sizeof rest, MSG_DONTWAIT);
    if (got > 0)
        entry->lingered += (uint64_t)got;
    bool over = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    if (over || entry->lingered > LINGER_BYTES_MAX)
        close_lingering(watch, entry);
}

/* The library may miss a client's end that comes together with its last bytes.  It has a moment for
 * what it has not read yet. */
static void expect_end(struct watch_entry *entry)
{
    int64_t end_ms = exchange_now_ms() + HANG_UP_MS;
    if (!entry->is_arriving || end_ms >= entry->deadline_ms)
        return;
    entry->deadline_ms = end_ms;
    entry->has_left = true;
}

/* An exchange to tell of its client's leaving, with a reference; NULL: none. */
static struct exchange *take_event(struct watch *watch, uint64_t number)
{
    struct exchange *exchange = NULL;
    pthread_mutex_lock(&watch->lock);
    struct watch_entry *entry = find(watch, number);
    if (entry && entry->is_lingering)
        read_lingering(watch, entry);
    else if (entry && entry->is_armed && entry->exchange) {
        exchange = entry->exchange;
        exchange_take(exchange);
    } else if (entry) {
        expect_end(entry);
    }
    pthread_mutex_unlock(&watch->lock);
    return exchange;
}

static void handle_event(struct watch *watch, uint64_t number)
{
    uint64_t count;
    if (number == 0) {
        ssize_t got = read(watch->wake, &count, sizeof count);
        (void)got;
        return;
    }
    struct exchange *exchange = take_event(watch, number);
    if (!exchange)
        return;
    exchange_gone(exchange);
    exchange_drop(exchange);
}

/* The lock is what makes this the only answer: the library's thread passes through
 * watch_deadline before it sends one. */
static bool answer(struct watch *watch, struct watch_entry *entry, const char *text, size_t size)
{
    if (!watch->options.is_plain || !entry->is_silent || !text)
        return false;
    ssize_t sent = send(entry->fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    entry->is_silent = false;
    entry->must_linger = true;
    if (sent != (ssize_t)size)
        shutdown(entry->fd, SHUT_RDWR); /* nothing may follow */
    return true;
}

static void answer_late(struct watch *watch, struct watch_entry *entry)
{
    if (!watch->options.is_plain || !entry->is_silent)
        return;
    size_t size = 0;
    char *text = plain_timeout(entry->request_id, &size);
    answer(watch, entry, text, size);
    free(text);
}

static void check_deadlines(struct watch *watch, int64_t now_ms)
{
    pthread_mutex_lock(&watch->lock);
    for (struct watch_entry *entry = watch->first, *next; entry; entry = next) {
        next = entry->next;
        if (entry->deadline_ms > now_ms)
            continue;
        if (entry->is_lingering) {
            close_lingering(watch, entry);
            continue;
        }
        answer_late(watch, entry);
        entry->deadline_ms = WATCH_NEVER;
        entry->timed_out = !entry->has_left;
        shutdown(entry->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&watch->lock);
}

static struct exchange *take_silent(struct watch *watch, int64_t now_ms)
{
    struct exchange *exchange = NULL;
    pthread_mutex_lock(&watch->lock);
    for (struct watch_entry *entry = watch->first; entry && !exchange; entry = entry->next) {
        if (!entry->ping_interval_ms || entry->ping_ms > now_ms || !entry->exchange)
            continue;
        entry->ping_ms = now_ms + entry->ping_interval_ms;
        exchange = entry->exchange;
        exchange_take(exchange);
    }
    pthread_mutex_unlock(&watch->lock);
    return exchange;
}

static void ping_silent(struct watch *watch, int64_t now_ms)
{
    struct exchange *exchange;
    while ((exchange = take_silent(watch, now_ms))) {
        stream_ping(exchange);
        exchange_drop(exchange);
    }
}

static bool is_stopped(struct watch *watch, bool *has_entries)
{
    pthread_mutex_lock(&watch->lock);
    bool stop = watch->stop;
    *has_entries = watch->first;
    pthread_mutex_unlock(&watch->lock);
    return stop;
}

static void *run(void *argument)
{
    struct watch *watch = argument;
    struct epoll_event events[64];
    int64_t checked_ms = 0;
    bool has_entries = false;
    while (!is_stopped(watch, &has_entries)) {
        int n = epoll_wait(watch->epoll, events, 64, has_entries ? TICK_MS : -1);
        for (int i = 0; i < n; i++)
            handle_event(watch, events[i].data.u64);
        int64_t now_ms = exchange_now_ms();
        if (now_ms - checked_ms < TICK_MS)
            continue;
        checked_ms = now_ms;
        check_deadlines(watch, now_ms);
        ping_silent(watch, now_ms);
    }
    return NULL;
}

static void free_watch(struct watch *watch)
{
    for (struct watch_entry *entry = watch->first, *next; entry; entry = next) {
        next = entry->next;
        if (entry->is_lingering)
            close(entry->fd);
        free(entry);
    }
    if (watch->epoll >= 0)
        close(watch->epoll);
    if (watch->wake >= 0)
        close(watch->wake);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}

enum lm_status watch_start(const struct watch_options *options, struct watch **out,
                           struct lm_error *error)
{
    struct watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return lm_fail(error, LM_NOMEM, "out of memory");
    watch->options = *options;
    pthread_mutex_init(&watch->lock, NULL);
    watch->epoll = epoll_create1(EPOLL_CLOEXEC);
    watch->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN};
    if (watch->epoll < 0 || watch->wake < 0 ||
        epoll_ctl(watch->epoll, EPOLL_CTL_ADD, watch->wake, &event) != 0 ||
        pthread_create(&watch->thread, NULL, run, watch) != 0) {
        free_watch(watch);
        return lm_fail(error, LM_IO, "cannot watch connections: %s", strerror(errno));
    }
    *out = watch;
    return LM_OK;
}

void watch_stop(struct watch *watch)
{
    if (!watch)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->stop = true;
    pthread_mutex_unlock(&watch->lock);
    wake(watch);
    pthread_join(watch->thread, NULL);
    free_watch(watch);
}

static void link_entry(struct watch *watch, struct watch_entry *entry)
{
    entry->number = ++watch->numbers;
    entry->previous = NULL;
    entry->next = watch->first;
    if (watch->first)
        watch->first->previous = entry;
    watch->first = entry;
}

struct watch_entry *watch_add(struct watch *watch, int fd, int64_t deadline_ms)
{
    struct watch_entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    entry->fd = entry->idle.fd = fd;
    entry->deadline_ms = deadline_ms;
    entry->is_arriving = true;
    pthread_mutex_lock(&watch->lock);
    bool was_empty = !watch->first;
    link_entry(watch, entry);
    arm(watch, EPOLL_CTL_ADD, entry, EPOLLRDHUP | EPOLLONESHOT);
    idle_enter(&watch->idle, &entry->idle);
    if (++watch->n_open > watch->options.open_max)
        idle_shut_one(&watch->idle, &entry->idle);
    pthread_mutex_unlock(&watch->lock);
    if (was_empty)
        wake(watch);
    return entry;
}

/* Goes on with a duplicate of the socket, under a new number.  false: it does not. */
static bool start_lingering(struct watch *watch, struct watch_entry *entry)
{
    int fd = watch->n_lingering < LINGERING_MAX ? dup(entry->fd) : -1;
    if (fd < 0)
        return false;
    shutdown(fd, SHUT_WR);
    *entry = (struct watch_entry){.fd = fd, .is_lingering = true};
    entry->deadline_ms = exchange_now_ms() + LINGER_MS;
    link_entry(watch, entry);
    watch->n_lingering++;
    if (!arm(watch, EPOLL_CTL_ADD, entry, EPOLLIN | EPOLLRDHUP))
        close_lingering(watch, entry);
    return true;
}

void watch_remove(struct watch *watch, struct watch_entry *entry)
{
    pthread_mutex_lock(&watch->lock);
    epoll_ctl(watch->epoll, EPOLL_CTL_DEL, entry->fd, NULL);
    idle_leave(&watch->idle, &entry->idle);
    watch->n_open--;
    unlink_entry(watch, entry);
    if (!entry->must_linger || !start_lingering(watch, entry))
        free(entry);
    pthread_mutex_unlock(&watch->lock);
}

void watch_attach(struct watch *watch, struct watch_entry *entry, struct exchange *exchange)
{
    pthread_mutex_lock(&watch->lock);
    entry->exchange = exchange;
    entry->request_id = NULL;
    entry->ping_interval_ms = 0;
    entry->is_arriving = true;
    entry->is_silent = exchange;
    if (exchange)
        idle_leave(&watch->idle, &entry->idle);
    else
        idle_enter(&watch->idle, &entry->idle);
    arm_again(watch, entry);
    pthread_mutex_unlock(&watch->lock);
}

void watch_name(struct watch *watch, struct watch_entry *entry, const char *request_id)
{
    pthread_mutex_lock(&watch->lock);
    entry->request_id = request_id;
    pthread_mutex_unlock(&watch->lock);
}

bool watch_answer(struct watch *watch, struct watch_entry *entry, const char *text, size_t size)
{
    pthread_mutex_lock(&watch->lock);
    bool sent = answer(watch, entry, text, size);
    pthread_mutex_unlock(&watch->lock);
    return sent;
}

void watch_complete(struct watch *watch, struct watch_entry *entry)
{
    pthread_mutex_lock(&watch->lock);
    entry->is_arriving = entry->is_silent = false;
    entry->deadline_ms = WATCH_NEVER;
    pthread_mutex_unlock(&watch->lock);
}

void watch_deadline(struct watch *watch, struct watch_entry *entry, int64_t deadline_ms)
{
    pthread_mutex_lock(&watch->lock);
    entry->deadline_ms = deadline_ms;
    entry->has_left = entry->is_silent = false;
    pthread_mutex_unlock(&watch->lock);
}

bool watch_timed_out(struct watch *watch, struct watch_entry *entry)
{
    pthread_mutex_lock(&watch->lock);
    bool timed_out = entry->timed_out;
    pthread_mutex_unlock(&watch->lock);
    return timed_out;
}

void watch_gone(struct watch *watch, struct watch_entry *entry, bool on)
{
    pthread_mutex_lock(&watch->lock);
    if (on && !entry->is_armed)
        arm_again(watch, entry);
    entry->is_armed = on;
    pthread_mutex_unlock(&watch->lock);
}

void watch_ping(struct watch *watch, struct watch_entry *entry, int64_t interval_ms)
{
    pthread_mutex_lock(&watch->lock);
    entry->ping_interval_ms = interval_ms;
    entry->ping_ms = exchange_now_ms() + interval_ms;
    pthread_mutex_unlock(&watch->lock);
}

void watch_linger(struct watch *watch, struct watch_entry *entry)
{
    pthread_mutex_lock(&watch->lock);
    entry->must_linger = true;
    pthread_mutex_unlock(&watch->lock);
}

void watch_kill(struct watch *watch, struct watch_entry *entry)
{
    pthread_mutex_lock(&watch->lock);
    shutdown(entry->fd, SHUT_RDWR);
    pthread_mutex_unlock(&watch->lock);
}

void watch_kill_all(struct watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    for (struct watch_entry *entry = watch->first; entry; entry = entry->next)
        shutdown(entry->fd, SHUT_RDWR);
    pthread_mutex_unlock(&watch->lock);
}

/* The exchange of the entry with the lowest number above *number, with a reference. */
static struct exchange *take_next(struct watch *watch, uint64_t *number)
{
    struct watch_entry *found = NULL;
    pthread_mutex_lock(&watch->lock);
    for (struct watch_entry *entry = watch->first; entry; entry = entry->next)
        if (entry->exchange && entry->number > *number && (!found || entry->number < found->number))
            found = entry;
    struct exchange *exchange = found ? found->exchange : NULL;
    if (found) {
        exchange_take(exchange);
        *number = found->number;
    }
    pthread_mutex_unlock(&watch->lock);
    return exchange;
}

void watch_each(struct watch *watch, void (*callback)(struct exchange *exchange))
{
    uint64_t number = 0;
    struct exchange *exchange;
    while ((exchange = take_next(watch, &number))) {
        callback(exchange);
        exchange_drop(exchange);
    }
}
