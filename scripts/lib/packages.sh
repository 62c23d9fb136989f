# SPDX-License-Identifier: MIT
# The system's packages of scripts/packages.txt that this purpose needs. An entry "a|b" is met by either;
# if neither is there, the first that apt knows is installed.
# Sourced by scripts/setup.

# pv_packages_wanted PURPOSE: the entries for it, one a line.
pv_packages_wanted() {
    awk -v purpose="$1" '/^[^#]/ && NF { n = split($2, who, ",")
        for (i = 1; i <= n; i++) if (who[i] == purpose || who[i] == "build") { print $1; break } }' \
        "$pv_root/scripts/packages.txt"
}

pv_packages_setup() {
    local entry name missing=() install=() installed

    installed=" $(dpkg-query -W -f '${db:Status-Abbrev}${Package} ' 2>/dev/null) "
    for entry in $(pv_packages_wanted "$purpose"); do
        for name in ${entry//|/ }; do
            [[ $installed == *" ii $name "* ]] && continue 2
        done
        missing+=("$entry")
    done
    pv_step_note="all there"
    [ "${#missing[@]}" -gt 0 ] || return 0
    pv_apt_need_root "these packages are missing: ${missing[*]}" \
        "apt-get install --no-install-recommends ${missing[*]%%|*}"
    pv_apt_system_update
    for entry in "${missing[@]}"; do
        for name in ${entry//|/ }; do
            if [ -n "$(pv_apt_candidate "$name")" ]; then
                install+=("$name")
                continue 2
            fi
        done
        pv_say_fail "this system's apt knows no package ${entry//|/ or }" \
            "use Debian 12 or newer, with main in its sources"
    done
    pv_apt_system_install "${install[@]}"
    pv_step_note="installed: ${install[*]}"
}
