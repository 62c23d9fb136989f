# SPDX-License-Identifier: MIT
# Packages, in two ways:
#  - the system's own apt, for what scripts/packages.txt lists (root or sudo);
#  - private apt directories inside the sysroot, one per set of suites, which download packages of
#    other Debian releases to be unpacked there. These need no root and leave the system's apt as it is.
# Sourced by scripts/setup; uses say.sh, and $pv_sysroot, $pv_logs, $pv_arch.

pv_apt_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Prints the URI of the Debian mirror that this system uses, in whatever format it is configured.
# PV_DEBIAN_MIRROR overrides it (needed on systems that are not Debian).
pv_apt_find_mirror() {
    local uri=${PV_DEBIAN_MIRROR-}

    if [ -z "$uri" ]; then
        # shellcheck disable=SC2016 # apt's own variables
        uri=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' \
            'Created-By: Packages' 2>/dev/null |
            awk -F'|' '$1 == "Debian" && $2 == "Debian" { print $3; exit }')
    fi
    echo "${uri%/}"
}

# Sets $pv_apt_mirror and says it in env.sh, for the guest image too. Reads apt's lists only the first time.
pv_apt_mirror_setup() {
    [ -z "${pv_apt_mirror-}" ] || return 0
    pv_apt_mirror=$(pv_apt_find_mirror)
    if [ -z "$pv_apt_mirror" ]; then
        pv_apt_system_update
        pv_apt_mirror=$(pv_apt_find_mirror)
    fi
    [ -n "$pv_apt_mirror" ] ||
        pv_say_fail "found no Debian mirror in this system's apt configuration" \
            "set PV_DEBIAN_MIRROR to the address of one (the URI of a sources.list line) and run again"
    pv_env_write 10-mirror PV_DEBIAN_MIRROR "$pv_apt_mirror" PV_DEBIAN_KEYRING "$pv_apt_keyring"
}

# pv_apt_as_root COMMAND...: runs it as root, by sudo when needed.
pv_apt_as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# pv_apt_need_root WHAT COMMAND: ends with a clear word when we can't become root.
pv_apt_need_root() {
    [ "$(id -u)" != 0 ] || return 0
    # With a terminal, sudo may ask for the password there.
    if ! sudo -n true 2>/dev/null && ! { command -v sudo && [ -t 2 ] && sudo -v; } >/dev/null; then
        pv_say_fail "not root, and no sudo: $1" "have this run as root, then run setup again: $2"
    fi
}

# Refreshes the system's package lists, once per run of setup.
pv_apt_system_update() {
    [ -z "${pv_apt_updated-}" ] || return 0
    pv_apt_need_root "can't refresh the package lists" "apt-get update"
    pv_apt_as_root apt-get -q -o DPkg::Lock::Timeout=600 update >"$pv_logs/apt-update.log" 2>&1 ||
        pv_say_fail "apt-get update" "check the network and /etc/apt/sources.list*" \
            "$pv_logs/apt-update.log"
    pv_apt_updated=yes
}

# pv_apt_system_run LOG ARGUMENT...: apt-get install or satisfy, without recommended packages.
pv_apt_system_run() {
    local log=$pv_logs/$1.log

    shift
    pv_apt_as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 \
        --no-install-recommends "$@" >"$log" 2>&1 ||
        pv_say_fail "apt-get $*" \
            "see the lines above; 'apt-get -f install' or a free package lock often helps, then run setup again" \
            "$log"
}

# pv_apt_system_install PACKAGE...: installs them.
pv_apt_system_install() {
    pv_apt_need_root "can't install: $*" "apt-get install --no-install-recommends $*"
    pv_apt_system_run apt-install install "$@"
}

# pv_apt_system_satisfy DEPENDENCIES: installs what a Depends line asks for, if anything is missing.
pv_apt_system_satisfy() {
    if apt-get -s -qq --no-install-recommends satisfy "$1" 2>/dev/null >"$pv_logs/satisfy.log" &&
        ! grep -q '^Inst' "$pv_logs/satisfy.log"; then
        return 0
    fi
    pv_apt_need_root "can't install: $1" "apt-get --no-install-recommends satisfy '$1'"
    pv_apt_system_run apt-satisfy satisfy "$1"
}

# pv_apt_candidate PACKAGE: prints the version that the system's apt would install, or nothing.
pv_apt_candidate() {
    apt-cache policy "$1" 2>/dev/null | awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'
}

# pv_apt_installed PACKAGE: prints the installed version, or nothing.
pv_apt_installed() {
    dpkg-query -W -f '${db:Status-Abbrev} ${Version}\n' "$1" 2>/dev/null |
        awk '$1 == "ii" { print $2 }'
}

# pv_apt_private NAME COMMAND...: runs an apt tool on the private directory apt/NAME.
pv_apt_private() {
    local name=$1 tool=$2

    shift 2
    "$tool" -c "$pv_sysroot/apt/$name/apt.conf" "$@"
}

# pv_apt_private_open NAME SUITE...: makes the private directory (if new) and fetches its package lists.
# The private dpkg status is empty, so that dependencies resolve to complete sets.
pv_apt_private_open() {
    local name=$1 dir=$pv_sysroot/apt/$1 suite

    shift
    pv_apt_mirror_setup
    mkdir -p "$dir/etc/apt.conf.d" "$dir/etc/preferences.d" "$dir/etc/trusted.gpg.d" \
        "$dir/etc/sources.list.d" "$dir/state/lists/partial" "$dir/cache/archives/partial"
    : >"$dir/status"
    for suite in "$@"; do
        printf 'deb [signed-by=%s] %s %s main\n' "$pv_apt_keyring" "$pv_apt_mirror" "$suite"
    done >"$dir/etc/sources.list"
    cat >"$dir/apt.conf" <<CONF
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Update::Pre-Invoke;
#clear DPkg::Pre-Install-Pkgs;
Dir::Etc "$dir/etc";
Dir::State "$dir/state";
Dir::State::status "$dir/status";
Dir::Cache "$dir/cache";
APT::Architecture "$pv_arch";
APT::Architectures { "$pv_arch"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
CONF
    pv_apt_private "$name" apt-get -q update >"$pv_logs/apt-$name.log" 2>&1 &&
        ! grep -q '^[WE]:.*Failed to fetch' "$pv_logs/apt-$name.log" ||
        pv_say_fail "fetching the package lists of $* from $pv_apt_mirror" \
            "does that mirror carry these suites, and does the network reach it? PV_DEBIAN_MIRROR names another" \
            "$pv_logs/apt-$name.log"
}

# pv_apt_private_unpack NAME TARGET PACKAGE...: downloads these packages and unpacks them into TARGET,
# which is replaced as a whole. apt checks the hashes against the signed lists.
pv_apt_private_unpack() {
    local name=$1 target=$2 debs=$pv_sysroot/apt/$1/debs deb

    shift 2
    rm -rf "$debs" "$target.new"
    mkdir -p "$debs" "$target.new"
    (cd "$debs" && pv_apt_private "$name" apt-get -q download "$@") \
        >"$pv_logs/download-$name.log" 2>&1 ||
        pv_say_fail "downloading $*" "check the network and free space, then run setup again" \
            "$pv_logs/download-$name.log"
    for deb in "$debs"/*.deb; do
        dpkg-deb -x "$deb" "$target.new" ||
            pv_say_fail "unpacking $deb" "check free space below $pv_sysroot, then run setup again"
    done
    rm -rf "$debs" "$target"
    mv "$target.new" "$target"
}
