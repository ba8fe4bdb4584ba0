/* What Prometheus's client libraries tell of a process, under the same names, from Linux's /proc.
 * A figure that cannot be read keeps its last value. */
#include "obs/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "obs/metrics_room.h"

enum { CPU_SECONDS, OPEN_FILES, MOST_FILES, RESIDENT, VIRTUAL, START };

static const struct figure {
    enum metric_kind kind;
    const char *name, *help;
} figures[METRICS_PROCESS_FIGURES] = {
    [CPU_SECONDS] = {METRIC_COUNTER, "process_cpu_seconds_total",
                     "Processor time spent, user and system, in seconds."},
    [OPEN_FILES] = {METRIC_GAUGE, "process_open_fds", "Open file descriptors."},
    [MOST_FILES] = {METRIC_GAUGE, "process_max_fds", "Most file descriptors that may be open."},
    [RESIDENT] = {METRIC_GAUGE, "process_resident_memory_bytes", "Memory in RAM, in bytes."},
    [VIRTUAL] = {METRIC_GAUGE, "process_virtual_memory_bytes", "Mapped memory, in bytes."},
    [START] = {METRIC_GAUGE, "process_start_time_seconds",
               "Time of the start, in seconds since 1970."},
};

/* Counters are set, too: the kernel is the one that counts. */
static void show(struct metrics *metrics, int figure, double value)
{
    if (metrics->process[figure])
        real_store(&metrics->process[figure]->ordered[0]->value, value);
}

/* The first line of `path` that starts with `start`; false if there is none. */
static bool read_line(const char *path, const char *start, char *out, int size)
{
    FILE *file = fopen(path, "r");
    bool found = false;
    if (!file)
        return false;
    while (!found && fgets(out, size, file))
        found = strncmp(out, start, strlen(start)) == 0;
    fclose(file);
    return found;
}

static void show_files(struct metrics *metrics)
{
    struct rlimit most;
    if (getrlimit(RLIMIT_NOFILE, &most) == 0)
        show(metrics, MOST_FILES, (double)most.rlim_cur);
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return;
    double count = -1; /* the folder's own */
    for (const struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    show(metrics, OPEN_FILES, count);
}

/* Fields 14, 15 (processor time), 22 (start, since boot), in ticks; 23, 24 (memory) of
 * proc(5)'s stat.  They are counted from the last ")", since the name before it may hold anything.
 */
static void show_stat(struct metrics *metrics)
{
    char line[1024], boot[1024];
    uint64_t user, system, start, virtual, resident, booted;
    const char *rest;
    if (!read_line("/proc/self/stat", "", line, sizeof line) || !(rest = strrchr(line, ')')) ||
        sscanf(rest,
               ") %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64 " %" SCNu64
               " %*s %*s %*s %*s %*s %*s %" SCNu64 " %" SCNu64 " %" SCNu64,
               &user, &system, &start, &virtual, &resident) != 5)
        return;
    const double ticks = (double)sysconf(_SC_CLK_TCK);
    show(metrics, CPU_SECONDS, (double)(user + system) / ticks);
    show(metrics, VIRTUAL, (double)virtual);
    show(metrics, RESIDENT, (double)resident * (double)sysconf(_SC_PAGESIZE));
    if (read_line("/proc/stat", "btime ", boot, sizeof boot) &&
        sscanf(boot, "btime %" SCNu64, &booted) == 1)
        show(metrics, START, (double)booted + (double)start / ticks);
}

static void collect(void *context)
{
    struct metrics *metrics = context;
    show_files(metrics);
    show_stat(metrics);
}

void metrics_collect_process(struct metrics *metrics)
{
    for (int i = 0; i < METRICS_PROCESS_FIGURES; i++)
        metrics->process[i] =
            metrics_add(metrics, figures[i].kind, figures[i].name, figures[i].help, NULL, NULL);
    metrics_collect(metrics, collect, metrics);
}
