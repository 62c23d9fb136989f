# SPDX-License-Identifier: MIT
# QEMU 11.1 or newer: the first with vhost-user shared memory windows. The system's is used when it is
# new enough; else Debian 13's backport is unpacked into the sysroot with every library it needs, its own
# C library included, and run through that library's loader. Nothing is installed.
# Sourced by scripts/setup.

pv_qemu_recipe=1
# Packages that only maintainer scripts of QEMU's dependencies want; nothing at run time does.
pv_qemu_not_needed='^(adduser|passwd|base-passwd|login\.defs|debconf|libdebconfclient0|libpam.*|libsemanage.*|libsepol2|libaudit.*|openssl-provider-legacy|gcc-14-base)='

pv_qemu_program() {
    case $pv_arch in
        arm64) echo qemu-system-aarch64 ;;
        *) echo qemu-system-x86_64 ;;
    esac
}

pv_qemu_package() {
    case $pv_arch in
        arm64) echo qemu-system-arm ;;
        *) echo qemu-system-x86 ;;
    esac
}

# pv_qemu_is_usable PROGRAM: does it run, and does it have the device with a settable virtio id?
pv_qemu_is_usable() {
    local device

    device=$("$1" -device vhost-user-test-device-pci,help 2>/dev/null) &&
        [[ $device == *virtio-id=* ]]
}

# pv_qemu_version PROGRAM: prints e.g. 11.1.3, or 0.
pv_qemu_version() {
    local line

    line=$("$1" --version 2>/dev/null | head -n 1)
    [[ $line =~ version\ ([0-9.]+) ]] && echo "${BASH_REMATCH[1]}" || echo 0
}

pv_qemu_write_wrapper() {
    local root=$pv_sysroot/qemu program=$1 loader

    case $pv_arch in
        arm64) loader=$root/usr/lib/$pv_triple/ld-linux-aarch64.so.1 ;;
        *) loader=$root/usr/lib/$pv_triple/ld-linux-x86-64.so.2 ;;
    esac
    mkdir -p "$pv_sysroot/bin"
    cat >"$pv_sysroot/bin/$program.new" <<WRAPPER
#!/bin/sh
# Runs the unpacked QEMU with its own C library and data. Written by scripts/setup.
QEMU_MODULE_DIR='$root/usr/lib/$pv_triple/qemu'
export QEMU_MODULE_DIR
exec '$loader' --argv0 '$program' \\
    --library-path '$root/usr/lib/$pv_triple' \\
    '$root/usr/bin/$program' -L '$root/usr/share/qemu' -L '$root/usr/share/seabios' \\
    -L '$root/usr/lib/ipxe/qemu' "\$@"
WRAPPER
    chmod 755 "$pv_sysroot/bin/$program.new"
    mv "$pv_sysroot/bin/$program.new" "$pv_sysroot/bin/$program"
}

pv_qemu_setup() {
    local program found packages

    program=$(pv_qemu_program)
    found=${PV_QEMU:-$(command -v "$program")} || found=
    if [ -z "$found" ] ||
        ! dpkg --compare-versions "$(pv_qemu_version "$found")" ge 11.1 || ! pv_qemu_is_usable "$found"; then
        found=$pv_sysroot/bin/$program
        if ! pv_stamp_holds qemu "$found"; then
            pv_apt_private_open trixie trixie trixie-backports
            packages=$(pv_apt_private trixie apt-get -qq -s -t trixie-backports install \
                "$(pv_qemu_package)" 2>"$pv_logs/qemu-resolve.log" |
                sed -nE 's/^Inst ([^ ]+) \(([^ ]+) .*/\1=\2/p' | grep -Ev "$pv_qemu_not_needed")
            [ -n "$packages" ] || pv_say_fail "finding QEMU and its libraries in trixie-backports" \
                "does the mirror carry trixie-backports?" "$pv_logs/qemu-resolve.log"
            # shellcheck disable=SC2086 # a list of words
            pv_apt_private_unpack trixie "$pv_sysroot/qemu" $packages
            pv_qemu_write_wrapper "$program"
            pv_qemu_is_usable "$found" ||
                pv_say_fail "the unpacked $found does not run, or lacks vhost-user-test-device-pci" \
                    "run '$found --version' to see why; with PV_QEMU=/path/to/qemu set, setup takes that one"
            pv_stamp_set qemu
        fi
    fi
    pv_env_write 40-qemu PV_QEMU "$found"
}
