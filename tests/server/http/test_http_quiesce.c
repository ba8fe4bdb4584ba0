/* The end of listening while the library's threads are busy: libmicrohttpd 0.9.75 takes the socket
 * out of a thread's epoll from two sides, and gives up the process when it comes second.  The
 * moment in between is made long here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

#include <sys/epoll.h>
#include <sys/syscall.h>

#include "http_checks.h"

extern long syscall(long number, ...);
static atomic_bool is_over;
static atomic_int taken_out;

static bool is_listener(int fd)
{
    int listens = 0;
    socklen_t size = sizeof listens;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
}

/* Instead of the C library's, for the library below, too. */
int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    if (operation == EPOLL_CTL_DEL && is_listener(fd)) {
        atomic_fetch_add(&taken_out, 1);
        sleep_ms(20);
    }
    return (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

static void *ask_on(void *server)
{
    int fd = client_connect(server);
    while (!atomic_load(&is_over)) {
        client_say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        free(client_read(fd, "trace="));
    }
    close(fd);
    return NULL;
}

static void test_quiesce(void **state)
{
    enum { ROUNDS = 5, CLIENTS = 4 };
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t clients[CLIENTS];
        struct http_config config = support_config();
        struct http_server *server = support_start(&config);
        atomic_store(&is_over, false);
        for (int k = 0; k < CLIENTS; k++)
            assert_int_equal(pthread_create(&clients[k], NULL, ask_on, server), 0);
        sleep_ms(20);
        http_quiesce(server);
        atomic_store(&is_over, true);
        for (int k = 0; k < CLIENTS; k++)
            pthread_join(clients[k], NULL);
        assert_int_equal(client_connect(server), -1);
        http_stop(server, 1000);
    }
    assert_true(atomic_load(&taken_out) > 0);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_quiesce)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
