/* --probe: one GET /readyz, for health checks of containers that have no other client.  With TLS it
 * only looks whether somebody listens. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "app.h"

enum { TIMEOUT_S = 3 };

/* Where the daemon is reached from this machine: any address means loopback. */
static socklen_t address_of(const struct settings_address *listen, struct sockaddr_storage *out)
{
    struct sockaddr_in *four = (struct sockaddr_in *)out;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, listen->host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(listen->port);
        if (four->sin_addr.s_addr == htonl(INADDR_ANY))
            four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return sizeof *four;
    }
    if (inet_pton(AF_INET6, listen->host, &six->sin6_addr) != 1)
        return 0;
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(listen->port);
    if (IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr))
        six->sin6_addr = in6addr_loopback;
    return sizeof *six;
}

static int connect_to(const struct settings_address *listen)
{
    struct sockaddr_storage address;
    socklen_t length = address_of(listen, &address);
    const struct timeval limit = {.tv_sec = TIMEOUT_S};
    int fd = length ? socket(address.ss_family, SOCK_STREAM, 0) : -1;
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (const struct sockaddr *)&address, length) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The status of GET /readyz; 0: no answer. */
static int ask(int fd)
{
    static const char request[] = "GET /readyz HTTP/1.1\r\nHost: localhost\r\n"
                                  "Connection: close\r\n\r\n";
    char answer[64];
    size_t size = 0;
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)sizeof request - 1)
        return 0;
    while (size < sizeof answer - 1) {
        ssize_t n = recv(fd, answer + size, sizeof answer - 1 - size, 0);
        if (n <= 0)
            break;
        size += (size_t)n;
    }
    answer[size] = '\0';
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : 0;
}

enum lm_status app_probe(const struct settings *settings, struct lm_error *error)
{
    const struct settings_address *listen = &settings->listen;
    int fd = connect_to(listen);
    if (fd < 0)
        return lm_fail(error, LM_IO, "nobody listens on %s port %u", listen->host, listen->port);
    int status = settings->tls_certificate[0] ? 200 : ask(fd);
    close(fd);
    if (status == 200)
        return LM_OK;
    return status ? lm_fail(error, LM_IO, "GET /readyz answers with status %d", status)
                  : lm_fail(error, LM_IO, "GET /readyz is not answered");
}
