/* Connections without a request, by how long: which one gives way when there are too many.  Locked
 * by its owner. */
#ifndef HTTP_IDLE_H
#define HTTP_IDLE_H

#include <stdbool.h>

struct idle_connection {
    struct idle_connection *before, *after;
    int fd;
    bool is_idle; /* in the list */
};

struct idle_list {
    struct idle_connection *longest, *last;
};

/* Idle from now on. */
void idle_enter(struct idle_list *list, struct idle_connection *connection);

/* Not any more; nothing happens when it was not. */
void idle_leave(struct idle_list *list, struct idle_connection *connection);

/* Shuts down the one that has been idle longest, but for `newest`.  A connection that has sent
 * something lately is not idle, even if nobody has read it yet.  The socket is open still: who has
 * opened it gets to see its end. */
void idle_shut_one(struct idle_list *list, const struct idle_connection *newest);

#endif
