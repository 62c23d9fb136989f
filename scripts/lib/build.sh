# SPDX-License-Identifier: MIT
# The two builds that scripts/check and scripts/demo make, and the environment that setup wrote.
# Sourced; the working directory is the checkout's root.

# Loads what scripts/setup found, and makes Debian's python3 the one that meson and the generator see.
pv_build_load_env() {
    local sysroot=${PV_SYSROOT_DIR:-$PWD/build/sysroot}

    # shellcheck source=/dev/null
    [ ! -f "$sysroot/env.sh" ] || . "$sysroot/env.sh"
    export PATH=/usr/bin:$PATH LC_ALL=C.UTF-8
}

# pv_build_configure NAME COMPILER OPTION...: configures build/NAME, once.
pv_build_configure() {
    local name=$1 compiler=$2 headers=${PV_VULKAN_HEADERS-}

    shift 2
    if [ -z "${PV_VK_REGISTRY-}" ]; then
        echo "no Vulkan registry is set up; run scripts/setup first"
        return 1
    fi
    [ "$headers" != /usr/include ] || headers=
    if [ ! -f "build/$name/build.ninja" ]; then
        rm -rf "build/$name"
        CC=$compiler meson setup "build/$name" --werror -Dregistry="$PV_VK_REGISTRY" \
            -Dvulkan_headers="$headers" "$@" || return 1
    fi
}

# pv_build_make NAME COMPILER OPTION...: configures build/NAME (once) and builds it.
pv_build_make() {
    pv_build_configure "$@" && ninja -C "build/$1"
}

pv_build_gcc() {
    pv_build_make gcc gcc --buildtype=release
}

pv_build_san() {
    pv_build_make clang-san clang --buildtype=debug -Db_sanitize=address,undefined -Dbug_stops=true
}
