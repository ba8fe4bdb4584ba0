/* The list of idle connections: oldest first, so that the first that is truly idle is the one. */
#include "http/idle.h"

#include <stddef.h>

#include <sys/socket.h>

#define LOOKS_MAX 16

void idle_leave(struct idle_list *list, struct idle_connection *connection)
{
    if (!connection->is_idle)
        return;
    connection->is_idle = false;
    if (connection->before)
        connection->before->after = connection->after;
    else
        list->longest = connection->after;
    if (connection->after)
        connection->after->before = connection->before;
    else
        list->last = connection->before;
}

void idle_enter(struct idle_list *list, struct idle_connection *connection)
{
    idle_leave(list, connection);
    connection->is_idle = true;
    connection->after = NULL;
    connection->before = list->last;
    if (list->last)
        list->last->after = connection;
    else
        list->longest = connection;
    list->last = connection;
}

void idle_shut_one(struct idle_list *list, const struct idle_connection *newest)
{
    struct idle_connection *connection = list->longest;
    char byte;
    for (int looks = 0; connection && connection != newest && looks < LOOKS_MAX; looks++) {
        if (recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0) {
            idle_leave(list, connection);
            shutdown(connection->fd, SHUT_RDWR);
            return;
        }
        connection = connection->after;
    }
}
