/* SPDX-License-Identifier: MIT */
/*
 * Nothing: the fuzzers' main function is libFuzzer's, and all else comes from libraries.
 */
extern int fuzz_has_no_main;
