/* SPDX-License-Identifier: MIT */
/* Rows for getopt_long; see the header. */
#include "cli/options.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/numbers.h"

/* Values of struct option that no letter has; rows are counted from here through all groups. */
#define FIRST_ROW 256
/* Where the words of the help begin, in columns. */
#define HELP_COLUMN    22
#define NAME_MAX_BYTES 64

struct found {
    const struct pv_cli_option *row;
    void *member;
};

/* The row of a number that getopt_long returned: a letter, or FIRST_ROW and so on. */
static struct found find_row(const struct pv_cli_option_group *groups, int number)
{
    int next = FIRST_ROW;

    for (; groups->rows != NULL; groups++) {
        for (size_t i = 0; i < groups->count; i++, next++) {
            const struct pv_cli_option *row = &groups->rows[i];

            if (number == next || (row->letter != 0 && number == row->letter)) {
                return (struct found){row, (char *)groups->target + row->offset};
            }
        }
    }
    return (struct found){0};
}

static bool take_again(const char *name, const char *text, struct pv_cli_list *list)
{
    if (list->count == PV_CLI_LIST_MAX) {
        (void)fprintf(stderr, "pearvisor: %s at most %d times\n", name, PV_CLI_LIST_MAX);
        return false;
    }
    list->texts[list->count++] = text;
    return true;
}

static bool take(struct found found, const char *text)
{
    const struct pv_cli_option *row = found.row;
    char name[NAME_MAX_BYTES];
    bool good = true;

    (void)snprintf(name, sizeof(name), "--%s", row->name);
    switch (row->kind) {
    case PV_CLI_OPTION_FLAG:
        *(bool *)found.member = true;
        return true;
    case PV_CLI_OPTION_TEXT:
        if (text[0] == '\0') {
            (void)fprintf(stderr, "pearvisor: %s wants a value that is not empty\n", name);
            return false;
        }
        *(const char **)found.member = text;
        break;
    case PV_CLI_OPTION_NUMBER:
        good = pv_cli_number(name, row->value, text, (uint32_t)row->min, (uint32_t)row->max,
                             found.member);
        break;
    case PV_CLI_OPTION_SIZE:
        good = pv_cli_size(name, text, row->min, row->max, found.member);
        break;
    case PV_CLI_OPTION_LIST:
        good = take_again(name, text, found.member);
        break;
    }
    return good && (row->check == NULL || row->check(name, text));
}

static void print_row(const struct pv_cli_option *row)
{
    char start[NAME_MAX_BYTES];
    char letter[8] = "";
    const char *help = row->help;
    int width;

    if (row->letter != 0) {
        (void)snprintf(letter, sizeof(letter), "-%c, ", row->letter);
    }
    (void)snprintf(start, sizeof(start), "  %s--%s%s%s", letter, row->name,
                   row->value != NULL ? " " : "", row->value != NULL ? row->value : "");
    width = printf("%-*s", HELP_COLUMN - 1, start);
    (void)printf("%s", width >= HELP_COLUMN ? "\n" : "");
    for (size_t length; *help != '\0'; help += length + (help[length] == '\n')) {
        length = strcspn(help, "\n");
        (void)printf("%*s%.*s\n", width >= HELP_COLUMN ? HELP_COLUMN : HELP_COLUMN - width, "",
                     (int)length, help);
        width = HELP_COLUMN;
    }
}

static void print_help(const struct pv_cli_option_group *groups, const char *help)
{
    (void)printf("%s\n", help);
    for (; groups->rows != NULL; groups++) {
        for (size_t i = 0; i < groups->count; i++) {
            if (groups->rows[i].help != NULL) {
                print_row(&groups->rows[i]);
            }
        }
    }
}

/* What getopt_long wants to know of the rows. A '+' stops it at the first word. */
static void describe(const struct pv_cli_option_group *groups, enum pv_cli_words words,
                     struct option *ret_long, char *ret_short)
{
    size_t count = 0;
    size_t letters = 0;

    if (words != PV_CLI_WORDS_MIXED) {
        ret_short[letters++] = '+';
    }
    ret_short[letters++] = 'h';
    for (; groups->rows != NULL; groups++) {
        for (size_t i = 0; i < groups->count && count < PV_CLI_OPTION_MAX; i++) {
            const struct pv_cli_option *row = &groups->rows[i];
            const bool is_flag = row->kind == PV_CLI_OPTION_FLAG;

            ret_long[count] = (struct option){row->name, is_flag ? no_argument : required_argument,
                                              NULL, FIRST_ROW + (int)count};
            count++;
            if (row->letter != 0) {
                ret_short[letters++] = row->letter;
                if (!is_flag) {
                    ret_short[letters++] = ':';
                }
            }
        }
    }
    ret_short[letters] = '\0';
    ret_long[count++] = (struct option){"help", no_argument, NULL, 'h'};
    ret_long[count] = (struct option){0};
}

int pv_cli_options_parse(int argc, char **argv, const struct pv_cli_option_group *groups,
                         const char *help, enum pv_cli_words words, char ***ret_words)
{
    struct option options[PV_CLI_OPTION_MAX + 2];
    char letters[2 * PV_CLI_OPTION_MAX + 3];
    bool good = true;
    int number;

    describe(groups, words, options, letters);
    while ((number = getopt_long(argc, argv, letters, options, NULL)) != -1) {
        const struct found found = find_row(groups, number);

        if (number == 'h') {
            print_help(groups, help);
            return -1;
        }
        good = found.row != NULL && take(found, optarg) && good;
    }
    if (!good) {
        return PV_CLI_USAGE;
    }
    if (words != PV_CLI_WORDS_NONE) {
        *ret_words = argv + optind;
    } else if (optind != argc) {
        (void)fprintf(stderr, "%s: takes no argument '%s'; see '%s --help'\n", argv[0],
                      argv[optind], argv[0]);
        return PV_CLI_USAGE;
    }
    return 0;
}

/* One member as an argument. Returns the length that it wants; 0 when the member is zero. */
static int pass_one(const struct pv_cli_option *row, const void *member, char *ret_text)
{
    const size_t room = PV_CLI_OPTIONS_PASS_LEN;
    const char *text;
    uint64_t number = 0;

    switch (row->kind) {
    case PV_CLI_OPTION_FLAG:
        return *(const bool *)member ? snprintf(ret_text, room, "--%s", row->name) : 0;
    case PV_CLI_OPTION_TEXT:
        text = *(const char *const *)member;
        return text != NULL ? snprintf(ret_text, room, "--%s=%s", row->name, text) : 0;
    case PV_CLI_OPTION_NUMBER:
        number = *(const uint32_t *)member;
        break;
    case PV_CLI_OPTION_SIZE:
        number = *(const uint64_t *)member;
        break;
    case PV_CLI_OPTION_LIST:
        break;
    }
    return number != 0 ? snprintf(ret_text, room, "--%s=%" PRIu64, row->name, number) : 0;
}

bool pv_cli_options_pass(const struct pv_cli_option_group *groups, struct pv_cli_passed *ret_passed)
{
    ret_passed->count = 0;
    for (; groups->rows != NULL; groups++) {
        for (size_t i = 0; i < groups->count; i++) {
            const struct pv_cli_option *row = &groups->rows[i];
            char text[PV_CLI_OPTIONS_PASS_LEN];
            const int length = pass_one(row, (char *)groups->target + row->offset, text);

            if (length == 0) {
                continue;
            }
            if ((size_t)length >= sizeof(text) || ret_passed->count == PV_CLI_OPTIONS_PASS_MAX) {
                (void)fprintf(stderr, "pearvisor: the value of --%s is too long\n", row->name);
                return false;
            }
            memcpy(ret_passed->texts[ret_passed->count++], text, (size_t)length + 1);
        }
    }
    return true;
}
