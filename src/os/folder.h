/* SPDX-License-Identifier: MIT */
/*
 * What is in a folder. Any thread.
 */
#ifndef PV_OS_FOLDER_H
#define PV_OS_FOLDER_H

/*
 * Call `each` with the path of every entry but "." and "..", in no order; the path is borrowed for
 * that call. A folder that is not there or cannot be read has none.
 */
void pv_os_folder_each(const char *folder, void (*each)(void *user, const char *path), void *user);

#endif
