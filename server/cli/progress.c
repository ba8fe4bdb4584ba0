/* A progress bar: share, rate and time left, redrawn at most ten times a second.  In a pipe or a
 * log file there is none. */
#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "codec/clock.h"

enum { BAR_CELLS = 30 };

#define REDRAW_MS 100.0

void progress_begin(struct progress *progress)
{
    *progress = (struct progress){.shown = isatty(STDERR_FILENO) == 1, .start_ms = clock_ms()};
}

static void draw(const struct progress *progress, uint32_t done, uint32_t total, double now_ms)
{
    double seconds = (now_ms - progress->start_ms) / 1000;
    double rate = seconds > 0 ? done / seconds : 0;
    char bar[BAR_CELLS + 1];
    for (uint32_t i = 0; i < BAR_CELLS; i++)
        bar[i] = (uint64_t)i * total < (uint64_t)done * BAR_CELLS ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    fprintf(stderr, "\r\033[K[%s] %u/%u  %.1f/s", bar, done, total, rate);
    if (rate > 0)
        fprintf(stderr, "  %.0f s left", (total - done) / rate);
    fflush(stderr);
}

bool progress_update(void *context, uint32_t done, uint32_t total)
{
    struct progress *progress = context;
    double now_ms = clock_ms();
    if (!progress->shown || (now_ms - progress->drawn_ms < REDRAW_MS && done < total))
        return true;
    progress->drawn_ms = now_ms;
    draw(progress, done, total, now_ms);
    return true;
}

void progress_end(struct progress *progress)
{
    if (progress->shown && progress->drawn_ms > 0)
        fputs("\r\033[K", stderr);
}
