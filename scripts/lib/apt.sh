# SPDX-License-Identifier: MIT
# Packages, in two ways:
#  - the system's own apt, for what scripts/packages.txt lists (root or sudo);
#  - private apt directories inside the sysroot, one per set of suites, which download packages of
#    other Debian releases to be unpacked there. These need no root and leave the system's apt as it is.
# Sourced by scripts/setup; uses say.sh, and $pv_sysroot, $pv_logs, $pv_arch.

# Prints "URI KEYRING" of the Debian mirror that this system uses, in whatever format it is configured.
# PV_DEBIAN_MIRROR overrides the URI (needed on systems that are not Debian).
pv_apt_find_mirror() {
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    local uri=${PV_DEBIAN_MIRROR-}

    if [ -z "$uri" ]; then
        uri=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' \
            'Created-By: Packages' 2>/dev/null |
            awk -F'|' '$1 == "Debian" && $2 == "Debian" { print $3; exit }')
    fi
    [ -n "$uri" ] && printf '%s %s\n' "${uri%/}" "$keyring"
}

# pv_apt_as_root COMMAND...: runs it as root, by sudo when needed.
pv_apt_as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Refreshes the system's package lists, once per run of setup.
pv_apt_system_update() {
    [ -z "${pv_apt_updated-}" ] || return 0
    pv_apt_need_root "refresh the package lists (apt-get update)"
    pv_apt_as_root apt-get -q -o DPkg::Lock::Timeout=600 update >"$pv_logs/apt-update.log" 2>&1 ||
        pv_say_fail "apt-get update" "check the network and /etc/apt/sources.list*" \
            "$pv_logs/apt-update.log"
    pv_apt_updated=yes
}

pv_apt_need_root() {
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
        pv_say_fail "not root, and there is no sudo to $1" \
            "run this script as root once, or install sudo"
}

# pv_apt_system_install PACKAGE...: installs them, without recommended ones.
pv_apt_system_install() {
    pv_apt_need_root "install: $*"
    pv_apt_as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 \
        --no-install-recommends install "$@" >"$pv_logs/apt-install.log" 2>&1 ||
        pv_say_fail "apt-get install $*" \
            "see the lines above; 'apt-get -f install' or a free package lock often helps, then run setup again" \
            "$pv_logs/apt-install.log"
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
    local name=$1 dir=$pv_sysroot/apt/$1 mirror keyring suite

    shift
    read -r mirror keyring < <(pv_apt_find_mirror) || {
        pv_apt_system_update
        read -r mirror keyring < <(pv_apt_find_mirror) ||
            pv_say_fail "found no Debian mirror in this system's apt configuration" \
                "set PV_DEBIAN_MIRROR to the address of one (the URI of a sources.list line) and run again"
    }
    mkdir -p "$dir/etc/apt.conf.d" "$dir/etc/preferences.d" "$dir/etc/trusted.gpg.d" \
        "$dir/etc/sources.list.d" "$dir/state/lists/partial" "$dir/cache/archives/partial"
    : >"$dir/status"
    for suite in "$@"; do
        printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite"
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
        pv_say_fail "fetching the package lists of $* from $mirror" \
            "does that mirror carry these suites, and does the network reach it? PV_DEBIAN_MIRROR names another" \
            "$pv_logs/apt-$name.log"
    printf 'export PV_DEBIAN_MIRROR=%q PV_DEBIAN_KEYRING=%q\n' "$mirror" "$keyring" \
        >"$pv_sysroot/env.d/10-mirror"
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
