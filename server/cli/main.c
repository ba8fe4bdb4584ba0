/* layermask: predictions and explanations of image classifiers on the command line. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "codec/version.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *about;
} commands[] = {
    {"predict", command_predict, "what the network says, with a part of the picture hidden"},
    {"explain", command_explain, "which parts of the picture made the answer"},
    {"inspect", command_inspect, "layers, shapes, operators, masking policy, cost of a model"},
    {"bench", command_bench, "how fast a model runs on masked pictures"},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static int help(void)
{
    puts("usage: layermask COMMAND ...\n");
    for (int i = 0; i < COMMANDS; i++)
        printf("  %-8s  %s\n", commands[i].name, commands[i].about);
    puts("\nlayermask COMMAND --help lists a command's options.\n"
         "Exit status: 0 done, 1 failed, 2 usage.");
    return COMMAND_DONE;
}

/* Output may sit in a buffer until the end: only then is a full disk seen. */
static int finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    command_note("standard output could not be written");
    return COMMAND_FAILED;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return finish(commands[i].run(argc - 1, argv + 1));
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return help();
    if (strcmp(name, "--version") == 0) {
        puts("layermask " LAYERMASK_VERSION);
        return COMMAND_DONE;
    }
    if (!*name)
        return command_misuse("a command is missing; see layermask --help");
    return command_misuse("%.60s is no command; see layermask --help", name);
}
