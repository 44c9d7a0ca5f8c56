/* SPDX-License-Identifier: Apache-2.0 */
/* The drae command: finds the subcommand and runs it. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static const drae__command *const commands[] = {
#ifdef DRAE_TRAIN
    &drae__command_synth,     &drae__command_import,  &drae__command_train,
    &drae__command_calibrate, &drae__command_compile, &drae__command_inspect,
    &drae__command_eval,      &drae__command_knapp,   &drae__command_drift,
#endif
    &drae__command_info,      &drae__command_bench,   NULL,
};

static void print_overview(FILE *file) {
    fprintf(file,
            "drae %s: visual inspection for Blow-Fill-Seal lines\n\n"
            "usage: drae COMMAND [options]      drae COMMAND --help\n\n",
            DRAE_VERSION);
    for (size_t i = 0; commands[i] != NULL; i++) {
        fprintf(file, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    }
    fprintf(file, "\nexit status: 0 done, 1 other failure, 2 wrong usage, 3 bad input file,\n"
                  "             4 device not available, 5 interrupted (state saved)\n");
}

int main(int argc, char **argv) {
    if (argc < 2) {
        print_overview(stdout);
        return DRAE__EXIT_DONE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_overview(stdout);
        return DRAE__EXIT_DONE;
    }
    if (strcmp(name, "--version") == 0) {
        printf("drae %s\n", DRAE_VERSION);
        return DRAE__EXIT_DONE;
    }
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (strcmp(name, commands[i]->name) == 0) {
            return commands[i]->run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "drae: '%.60s' is not a command; drae alone lists what it can do\n", name);
    return DRAE__EXIT_USAGE;
}
