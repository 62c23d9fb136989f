# SPDX-License-Identifier: MIT
# How the scripts speak: one line per step with its time, and one clear paragraph on failure.
# Sourced by the programs in scripts/; needs bash.

# Seconds since some fixed point, with two decimals, without starting a process.
pv_now() {
    local now=${EPOCHREALTIME/[,.]/}

    printf '%d' "$((now / 10000))"
}

# pv_say_step NAME: a step begins. The line is finished by pv_say_done or pv_say_fail.
pv_say_step() {
    pv_step_name=$1
    pv_step_start=$(pv_now)
    printf '%-34s ' "$1" >&2
}

# pv_say_done [NOTE]: the step went well.
pv_say_done() {
    local took=$(($(pv_now) - pv_step_start))

    printf 'ok  %5d.%02d s  %s\n' "$((took / 100))" "$((took % 100))" "${1-}" >&2
    pv_step_name=
}

# pv_say_fail WHAT HOW [LOGFILE]: the step failed; says how to mend it, and ends the program.
pv_say_fail() {
    [ -z "${pv_step_name-}" ] || printf 'FAILED\n' >&2
    if [ -n "${3-}" ] && [ -s "$3" ]; then
        printf '%s\n' "--- the last lines of $3 ---" >&2
        tail -n 15 "$3" >&2
        printf '%s\n' '---' >&2
    fi
    printf 'What failed: %s\n' "$1" >&2
    printf 'How to mend: %s\n' "$2" >&2
    exit 1
}
