/* SPDX-License-Identifier: MIT */
/* pearvisor image: build, list or remove guest images. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/log_tail.h"
#include "cli/options.h"
#include "cli/places.h"
#include "cli/usage.h"
#include "vm/image.h"

struct image_options {
    const char *cache;
    const char *log;
    bool force;
};

static const char help[] =
    "usage: pearvisor image [OPTIONS] build NAME\n"
    "       pearvisor image [OPTIONS] list\n"
    "       pearvisor image [OPTIONS] rm NAME\n\n"
    "Images are made from stock packages, for this machine's architecture. One that is up\n"
    "to date is not built again.\n";

static const struct pv_cli_option rows[] = {
    {.name = "cache-dir",
     .value = "DIR",
     .help = "where images are (PEARVISOR_CACHE_DIR)",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct image_options, cache)},
    {.name = "log",
     .value = "FILE",
     .help = "what a build says goes there, not to the terminal",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct image_options, log)},
    {.name = "force",
     .help = "build it again all the same",
     .kind = PV_CLI_OPTION_FLAG,
     .offset = offsetof(struct image_options, force)},
};

static int build(const struct pv_vm_image_store *store, const char *name,
                 const struct image_options *options)
{
    bool built = false;
    const int r = pv_vm_image_build(store, name, options->force, options->log, &built);

    switch (r) {
    case 0:
        printf("image %s-%s is %s\n", name, store->arch_name, built ? "built" : "up to date");
        return 0;
    case -ENOENT:
        fprintf(stderr, "pearvisor: there is no recipe '%s'; see 'pearvisor image list'\n", name);
        return PV_CLI_USAGE;
    case -EINVAL:
        fprintf(stderr, "pearvisor: '%s' is not a name of an image\n", name);
        return PV_CLI_USAGE;
    case -EIO:
        if (options->log != NULL) {
            pv_cli_log_tail_print(options->log, "the build");
        }
        fprintf(stderr, "pearvisor: the image was not built; the lines above say why\n");
        return PV_CLI_FAILED;
    case -EBADF:
        fprintf(stderr, "pearvisor: --log: cannot write '%s'\n", options->log);
        return PV_CLI_FAILED;
    case -EINTR:
        fprintf(stderr, "pearvisor: interrupted; nothing was kept\n");
        return 130;
    default:
        fprintf(stderr, "pearvisor: the image cannot be built in %s: %s\n", store->cache_path,
                strerror(-r));
        return PV_CLI_FAILED;
    }
}

static void print_image(void *user, const char *name, bool is_built, bool is_outdated,
                        uint64_t size_bytes)
{
    const struct pv_vm_image_store *store = user;

    printf("%-16s %-8s %-12s %6" PRIu64 " MiB\n", name, store->arch_name,
           !is_built     ? "not built"
           : is_outdated ? "out of date"
                         : "up to date",
           size_bytes >> 20);
}

static int list(struct pv_vm_image_store *store)
{
    const int r = pv_vm_image_list(store, print_image, store);

    if (r != 0) {
        fprintf(stderr, "pearvisor: the recipes in %s cannot be read: %s\n", store->recipes_path,
                strerror(-r));
        return PV_CLI_FAILED;
    }
    return 0;
}

static int rm(const struct pv_vm_image_store *store, const char *name)
{
    const int r = pv_vm_image_remove(store, name);

    if (r != 0) {
        fprintf(stderr, "pearvisor: the image '%s' cannot be removed: %s\n", name,
                r == -ENOENT ? "it is not built" : strerror(-r));
        return r == -ENOENT || r == -EINVAL ? PV_CLI_USAGE : PV_CLI_FAILED;
    }
    return 0;
}

int pv_cli_image(int argc, char **argv)
{
    struct image_options options = {0};
    const struct pv_cli_option_group groups[] = {{rows, PV_ARRAY_LEN(rows), &options},
                                                 PV_CLI_OPTION_GROUPS_END};
    struct pv_cli_places places;
    const struct pv_vm_arch *arch;
    struct pv_vm_image_store store;
    char **words = NULL;
    size_t count = 0;
    const int r = pv_cli_options_parse(argc, argv, groups, help, PV_CLI_WORDS_MIXED, &words);

    if (r != 0) {
        return r < 0 ? 0 : r;
    }
    while (words[count] != NULL) {
        count++;
    }
    arch = pv_cli_arch();
    if (arch == NULL || !pv_cli_places_find(options.cache, &places)) {
        return PV_CLI_FAILED;
    }
    store = pv_cli_image_store(&places, arch);
    if (count == 2 && strcmp(words[0], "build") == 0) {
        return build(&store, words[1], &options);
    }
    if (count == 1 && strcmp(words[0], "list") == 0) {
        return list(&store);
    }
    if (count == 2 && strcmp(words[0], "rm") == 0) {
        return rm(&store, words[1]);
    }
    return pv_cli_usage_error("image", "wants 'build NAME', 'list' or 'rm NAME'");
}
