/* SPDX-License-Identifier: MIT */
/* What is in a folder; see folder.h. */
#include "os/folder.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

void pv_os_folder_each(const char *folder, void (*each)(void *user, const char *path), void *user)
{
    DIR *directory = opendir(folder);
    const struct dirent *entry;

    if (directory == NULL) {
        return;
    }
    while ((entry = readdir(directory)) != NULL) {
        char path[PATH_MAX];

        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0
            && snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) < (int)sizeof(path)) {
            each(user, path);
        }
    }
    closedir(directory);
}
