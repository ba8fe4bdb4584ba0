/* The listening socket, opened here so that errors can say which address. */
#include "http/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define BACKLOG 1024

static int open_socket(const struct addrinfo *address)
{
    int one = 1, zero = 0;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (address->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int cause = errno;
    close(fd);
    errno = cause;
    return -1;
}

static uint16_t read_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    socklen_t size = sizeof address;
    getsockname(fd, &address.any, &size);
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

enum lm_status listen_open(const char *address, uint16_t port, int *listener, uint16_t *actual_port,
                           bool *is_ipv6, struct lm_error *error)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    int code = getaddrinfo(address, service, &hints, &found);
    if (code != 0)
        return lm_fail(error, LM_INVALID, "cannot listen on %s: %s", address, gai_strerror(code));
    int fd = open_socket(found);
    if (fd < 0)
        lm_fail(error, LM_IO, "cannot listen on %s:%u: %s", address, port, strerror(errno));
    *is_ipv6 = found->ai_family == AF_INET6;
    freeaddrinfo(found);
    if (fd < 0)
        return LM_IO;
    *listener = fd;
    *actual_port = read_port(fd);
    return LM_OK;
}
