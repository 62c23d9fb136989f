/* SPDX-License-Identifier: MIT */
/*
 * Rows for getopt_long: an option's name, what its help says, what its value may be and where the
 * value goes, all in one place, so that a new option is a new row.
 *
 * Needs the C library only: the device process uses it too. Main thread.
 */
#ifndef PV_CLI_OPTIONS_H
#define PV_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/compiler.h"

/* What the member is that the value goes to. */
enum pv_cli_option_kind {
    PV_CLI_OPTION_FLAG,   /* bool: set */
    PV_CLI_OPTION_TEXT,   /* const char *: not empty; borrowed from the argument vector */
    PV_CLI_OPTION_NUMBER, /* uint32_t, from min to max */
    PV_CLI_OPTION_SIZE,   /* uint64_t: bytes with an optional K, M, G or T, from min to max */
    PV_CLI_OPTION_LIST,   /* struct pv_cli_list: texts, one for each time that it is given */
};

/* Times that one option may be given. */
#define PV_CLI_LIST_MAX 64

/* Ready for use when zeroed. */
struct pv_cli_list {
    /* Room for the NULL at the end, and before it for one more of the command's own. */
    const char *texts[PV_CLI_LIST_MAX + 2];
    size_t count;
};

struct pv_cli_option {
    const char *name;  /* without the dashes */
    const char *value; /* how the help calls its value; NULL for a flag */
    const char *help;  /* lines for the help; NULL: not shown there */
    enum pv_cli_option_kind kind;
    char letter;   /* short form; 0: none */
    size_t offset; /* of the member in the group's target */
    uint64_t min;
    uint64_t max;
    /* More about a value than its kind says (cli/checks.h): false, having said what is wrong. */
    bool (*check)(const char *option, const char *value);
};

/* Rows with a common target. */
struct pv_cli_option_group {
    const struct pv_cli_option *rows;
    size_t count;
    void *target;
};

/* What ends the list of groups. */
#define PV_CLI_OPTION_GROUPS_END ((struct pv_cli_option_group){0})
/* Rows of all groups of one command. */
#define PV_CLI_OPTION_MAX 48

/* What a command takes beside its options. */
enum pv_cli_words {
    PV_CLI_WORDS_NONE,    /* nothing: a word is a mistake */
    PV_CLI_WORDS_MIXED,   /* words, among the options in any order */
    PV_CLI_WORDS_COMMAND, /* a command of its own: all from the first word on, options too */
};

/*
 * Read the options and set aside what is none. What is wrong has been said, one line for each
 * mistake.
 *
 * argv       [0] begins the messages: "pearvisor NAME"; words change places under
 *            PV_CLI_WORDS_MIXED
 * groups     ended by PV_CLI_OPTION_GROUPS_END
 * help       what --help prints before the rows
 * words      which words there may be; how many is the caller's matter
 * ret_words  the words, NULL at the end; borrowed from argv. Set when 0 is returned. NULL for
 *            PV_CLI_WORDS_NONE
 *
 * Returns 0, an exit status to leave with, or -1 for "leave with success": the help is printed.
 * Once in a process: getopt_long keeps a state.
 */
PV_NODISCARD int pv_cli_options_parse(int argc, char **argv,
                                      const struct pv_cli_option_group *groups, const char *help,
                                      enum pv_cli_words words, char ***ret_words);

/* Room for the arguments that pv_cli_options_pass makes. */
#define PV_CLI_OPTIONS_PASS_MAX 16
#define PV_CLI_OPTIONS_PASS_LEN 4200 /* a path and the option's name */

struct pv_cli_passed {
    char texts[PV_CLI_OPTIONS_PASS_MAX][PV_CLI_OPTIONS_PASS_LEN];
    size_t count;
};

/*
 * Write the members that are not zero as arguments "--name=value" again, for another program with
 * the same rows. Lists are left out: nothing that is handed on has one.
 *
 * groups   ended by PV_CLI_OPTION_GROUPS_END
 *
 * Returns false, and has said so, when they do not fit.
 */
PV_NODISCARD bool pv_cli_options_pass(const struct pv_cli_option_group *groups,
                                      struct pv_cli_passed *ret_passed);

#endif
