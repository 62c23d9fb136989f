/* SPDX-License-Identifier: MIT */
/*
 * A program that crashes, as a Vulkan driver may.
 */
#include <signal.h>

int main(void)
{
    (void)signal(SIGSEGV, SIG_DFL); /* a sanitizer would make an exit status of it */
    (void)raise(SIGSEGV);
    return 0;
}
