/* For tests of the whole service: lines of /metrics. */
#ifndef METRIC_H
#define METRIC_H

#include "client.h"

/* The value of a line of /metrics that starts with these words; -1: there is none. */
static inline double metric(const struct daemon *daemon, const char *line)
{
    struct answer answer = get(daemon, "/metrics");
    double value = -1;
    assert_status(&answer, 200);
    const char *found = answer.body;
    while ((found = strstr(found, line)) && found != answer.body && found[-1] != '\n')
        found++;
    if (found)
        value = strtod(found + strlen(line), NULL);
    answer_free(&answer);
    return value;
}

static inline void await_metric(const struct daemon *daemon, const char *line, double value)
{
    double end = now_ms() + 10000, last = -1;
    while ((last = metric(daemon, line)) != value) {
        if (now_ms() > end)
            fail_msg("%s is %g, not %g", line, last, value);
        sleep_ms(5);
    }
}

#endif
