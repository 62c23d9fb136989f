/* SPDX-License-Identifier: MIT */
/*
 * The subcommands. Each takes its own argument vector (argv[0] is how its messages begin) and
 * returns an exit status. What a subcommand does lives in src/ and hosts/; here are arguments,
 * messages and the environment.
 */
#ifndef PV_CLI_COMMANDS_H
#define PV_CLI_COMMANDS_H

/* Exit statuses of our own, apart from those of a command that we run for the user. */
#define PV_CLI_USAGE   2   /* the arguments make no sense */
#define PV_CLI_TIMEOUT 124 /* --timeout ran out */
#define PV_CLI_FAILED  125 /* the VM, or anything else on our side, failed */

/* One for each row of cli/main.c. Main thread. Returns an exit status: 0, one of the above, or what
 * the command that was run ended with. */
int pv_cli_bench(int argc, char **argv);
int pv_cli_demo(int argc, char **argv);
int pv_cli_run(int argc, char **argv);
int pv_cli_doctor(int argc, char **argv);
int pv_cli_exec(int argc, char **argv);
int pv_cli_gpu(int argc, char **argv);
int pv_cli_screenshot(int argc, char **argv);
int pv_cli_top(int argc, char **argv);
int pv_cli_vtest(int argc, char **argv);
int pv_cli_image(int argc, char **argv);

#endif
