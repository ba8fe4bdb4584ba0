/* Plain sockets and a clock, for tests that speak HTTP by hand. */
#ifndef TEST_SOCKETS_H
#define TEST_SOCKETS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { SOCKET_PATIENCE_S = 20 };

static inline void sleep_ms(long ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static inline double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* To this port of loopback; -1: refused. */
static inline int socket_connect(uint16_t port)
{
    const struct timeval limit = {.tv_sec = SOCKET_PATIENCE_S};
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline bool socket_send(int fd, const void *bytes, size_t size)
{
    const char *next = bytes;
    while (size > 0) {
        ssize_t n = send(fd, next, size, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        next += n;
        size -= (size_t)n;
    }
    return true;
}

/* All that comes until the other side closes, `most` bytes are there, `stop` (may be NULL) has come
 * or nothing does any more; malloc'ed text. */
static inline char *socket_read(int fd, size_t most, const char *stop)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    char *text = calloc(1, most + 1);
    size_t size = 0;
    if (!text)
        abort();
    while (size < most && poll(&poller, 1, SOCKET_PATIENCE_S * 1000) > 0) {
        ssize_t n = recv(fd, text + size, most - size, 0);
        if (n <= 0)
            break;
        size += (size_t)n;
        if (stop && strstr(text, stop))
            break;
    }
    return text;
}

#endif
