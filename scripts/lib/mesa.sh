# SPDX-License-Identifier: MIT
# The host's software driver (lavapipe) and Mesa's Venus driver for vtest, both Mesa 24 or newer. Where the
# distribution's are older (Debian 12: 22.3, whose Venus speaks an older wire format), the backport is
# unpacked into the sysroot, with ICD files that name its libraries there.
# Sourced by scripts/setup.

pv_mesa_recipe=1
pv_mesa_min=24

# pv_mesa_icd DRIVER: copies the unpacked ICD file into the sysroot with the full path of its library (the
# loader would look for a bare name in the system's folders), and prints the copy's path.
pv_mesa_icd() {
    local file=$pv_sysroot/mesa-icd/$1.json lib=$pv_sysroot/mesa/usr/lib/$pv_triple

    mkdir -p "$pv_sysroot/mesa-icd"
    sed -E "s|(\"library_path\": *\")([^/]*/)*|\\1$lib/|" \
        "$pv_sysroot"/mesa/usr/share/vulkan/icd.d/"$1"_icd*.json >"$file.new"
    mv "$file.new" "$file"
    echo "$file"
}

pv_mesa_setup() {
    local root=$pv_sysroot/mesa version codename depends lib host venus path=

    version=$(pv_apt_installed mesa-vulkan-drivers)
    [ -n "$version" ] || version=$(pv_stamp_holds mesa "$root/usr" || pv_apt_candidate mesa-vulkan-drivers)
    if dpkg --compare-versions "${version:-0}" ge "$pv_mesa_min"; then
        [ -n "$(pv_apt_installed mesa-vulkan-drivers)" ] ||
            pv_apt_system_install mesa-vulkan-drivers libvulkan1
        host=$(pv_mesa_find_icd lvp)
        venus=$(pv_mesa_find_icd virtio)
    else
        lib=$root/usr/lib/$pv_triple
        if ! pv_stamp_holds mesa "$lib/libvulkan_lvp.so"; then
            codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
            pv_apt_private_open backports "$codename-backports"
            # Everything but libdrm is as new as needed in the release itself: installed like any package.
            depends=$(pv_apt_private backports apt-cache show mesa-vulkan-drivers |
                sed -n 's/^Depends: //p' | head -n 1 | sed -E 's/libdrm[^,]*, ?//g')
            pv_apt_system_satisfy "$depends"
            pv_apt_private_unpack backports "$root" mesa-vulkan-drivers libdrm2 libdrm-amdgpu1
            pv_stamp_set mesa
        fi
        host=$(pv_mesa_icd lvp)
        venus=$(pv_mesa_icd virtio)
        path=$lib
    fi
    [ -f "$host" ] && [ -f "$venus" ] ||
        pv_say_fail "Mesa's lavapipe or Venus driver is missing" "remove $root and run setup again"
    pv_env_write 30-mesa PV_HOST_ICD "$host" PV_VENUS_ICD "$venus" PV_MESA_LIBRARY_PATH "$path"
}

# pv_mesa_find_icd DRIVER: prints the path of the system's ICD file for it.
pv_mesa_find_icd() {
    local file

    for file in /usr/share/vulkan/icd.d/"$1"_icd*.json; do
        if [ -f "$file" ]; then
            echo "$file"
            return
        fi
    done
}
