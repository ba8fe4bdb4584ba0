/* A thread that watches connections: whether the client of a suspended one is gone, whether one
 * takes longer than it may, whether a silent stream needs a sign of life, and the lingering end of
 * those that were answered before they had sent everything.  And, without the thread, which one
 * gives way when there are too many.  The library below does none of that.
 */
#ifndef HTTP_WATCH_H
#define HTTP_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layermask/status.h"

struct watch;
struct watch_entry;
struct exchange;

#define WATCH_NEVER INT64_MAX

struct watch_options {
    size_t open_max; /* of more connections, the one that has been idle longest is shut down */
    bool is_plain;   /* no TLS: bytes can be sent beside the library */
};

enum lm_status watch_start(const struct watch_options *options, struct watch **watch,
                           struct lm_error *error);

/* After the last connection is closed. */
void watch_stop(struct watch *watch);

/* A connection, from open to close of its socket.  NULL: out of memory. */
struct watch_entry *watch_add(struct watch *watch, int fd, int64_t deadline_ms);

/* Before the socket is closed. */
void watch_remove(struct watch *watch, struct watch_entry *entry);

/* Which exchange it works on, which is arriving; NULL: none, the connection is idle.  From here on
 * a client that hangs up brings the deadline close; set another one before. */
void watch_attach(struct watch *watch, struct watch_entry *entry, struct exchange *exchange);

/* The request's id, valid until the next watch_attach. */
void watch_name(struct watch *watch, struct watch_entry *entry, const char *request_id);

/* Shuts the connection down at that time, with a 408 if that was set before watch_attach;
 * WATCH_NEVER: does not. */
void watch_deadline(struct watch *watch, struct watch_entry *entry, int64_t deadline_ms);

/* Sends an answer beside the library, which has sent none and must close the connection next.
 * false: not done, with TLS or when the request is not arriving any more. */
bool watch_answer(struct watch *watch, struct watch_entry *entry, const char *text, size_t size);

/* The request has arrived: no deadline until there is another one. */
void watch_complete(struct watch *watch, struct watch_entry *entry);

/* Has it been shut down for its deadline, with the client still there? */
bool watch_timed_out(struct watch *watch, struct watch_entry *entry);

/* While on, exchange_gone is called when the client closes its side. */
void watch_gone(struct watch *watch, struct watch_entry *entry, bool on);

/* Calls stream_ping every interval_ms. */
void watch_ping(struct watch *watch, struct watch_entry *entry, int64_t interval_ms);

/* When it is closed, what the client still sends is read for a while, so that it gets to read its
 * answer instead of a reset. */
void watch_linger(struct watch *watch, struct watch_entry *entry);

/* Shuts the connection down now. */
void watch_kill(struct watch *watch, struct watch_entry *entry);
void watch_kill_all(struct watch *watch);

/* Calls back for every exchange, without locks. */
void watch_each(struct watch *watch, void (*callback)(struct exchange *exchange));

#endif
