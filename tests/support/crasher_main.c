/* SPDX-License-Identifier: MIT */
/*
 * A program that crashes, as a Vulkan driver may.
 */
#include <signal.h>

int main(void)
{
    (void)raise(SIGSEGV);
    return 0;
}
