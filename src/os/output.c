/* SPDX-License-Identifier: MIT */
/*
 * Standard output and error of children; see output.h. All children share one pipe: its reader
 * never leaves it full for long, and closes nothing that one of them could want.
 */
#include "os/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"

struct pv_os_output {
    int our_error_fd;
    int null_fd;
    int pipe_fds[2]; /* -1: children get our own */
    struct pv_os_source *source;
    size_t left_bytes;
};

static bool can_only_be_written(int fd)
{
    const int flags = fcntl(fd, F_GETFL);
    struct stat what;

    if (flags < 0 || fstat(fd, &what) < 0) {
        return true; /* there is nothing: children find that as well */
    }
    return !S_ISSOCK(what.st_mode) && ((flags & O_ACCMODE) == O_WRONLY || isatty(fd));
}

/* Never waits: a reader of our log that is slow does not hold up the loop. */
static void pass_on(struct pv_os_output *output, const char *text, size_t size_bytes)
{
    struct pollfd entry = {.fd = output->our_error_fd, .events = POLLOUT};

    size_bytes = size_bytes < output->left_bytes ? size_bytes : output->left_bytes;
    output->left_bytes -= size_bytes;
    if (size_bytes > 0
        && send(output->our_error_fd, text, size_bytes, MSG_DONTWAIT | MSG_NOSIGNAL) < 0
        && errno == ENOTSOCK && poll(&entry, 1, 0) == 1 && (entry.revents & POLLOUT) != 0) {
        (void)!write(output->our_error_fd, text, size_bytes);
    }
}

static void on_text(void *user, uint32_t events)
{
    struct pv_os_output *output = user;
    char text[4096];
    ssize_t got;

    (void)events;
    got = read(output->pipe_fds[0], text, sizeof(text));
    if (got > 0) {
        pass_on(output, text, (size_t)got);
    }
}

static int open_pipe(struct pv_os_output *output, struct pv_os_loop *loop)
{
    int r;

    if (pipe2(output->pipe_fds, O_CLOEXEC) < 0) {
        return -errno;
    }
    /* Our end alone: the other's flags are the children's to see. */
    r = fcntl(output->pipe_fds[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
    if (r == 0) {
        r = pv_os_loop_add(loop, output->pipe_fds[0], PV_OS_LOOP_READ, on_text, output,
                           &output->source);
    }
    return r;
}

int pv_os_output_create(struct pv_os_loop *loop, int error_fd, struct pv_os_output **ret_output)
{
    struct pv_os_output *output = calloc(1, sizeof(*output));
    int r = 0;

    if (output == NULL) {
        return -ENOMEM;
    }
    output->our_error_fd = error_fd;
    output->pipe_fds[0] = -1;
    output->pipe_fds[1] = -1;
    output->left_bytes = PV_OS_OUTPUT_MAX_BYTES;
    output->null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (output->null_fd < 0) {
        r = -errno;
    } else if (!can_only_be_written(error_fd)) {
        r = open_pipe(output, loop);
    }
    if (r < 0) {
        pv_os_output_destroy(output);
        return r;
    }
    *ret_output = output;
    return 0;
}

int pv_os_output_null_fd(const struct pv_os_output *output)
{
    return output->null_fd;
}

int pv_os_output_error_fd(const struct pv_os_output *output)
{
    return output->pipe_fds[1] >= 0 ? output->pipe_fds[1] : 0;
}

void pv_os_output_destroy(struct pv_os_output *output)
{
    if (output == NULL) {
        return;
    }
    if (output->source != NULL) {
        on_text(output, PV_OS_LOOP_READ);
        pv_os_source_remove(output->source);
    }
    pv_os_fd_close(output->pipe_fds[0]);
    pv_os_fd_close(output->pipe_fds[1]);
    pv_os_fd_close(output->null_fd);
    free(output);
}
