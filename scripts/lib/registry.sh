# SPDX-License-Identifier: MIT
# The Vulkan registry (vk.xml) and headers that the generator reads. Mesa 25.0.7 was made from 1.4.309;
# Debian 12 has 1.3.239, so there Debian 13's libvulkan-dev is unpacked into the sysroot.
# Sourced by scripts/setup.

pv_registry_recipe=1
pv_registry_min=1.4.309

pv_registry_setup() {
    local installed root=$pv_sysroot/registry

    installed=$(pv_apt_installed libvulkan-dev)
    if dpkg --compare-versions "${installed:-0}" ge "$pv_registry_min"; then
        root=
    elif ! pv_stamp_holds registry "$root/usr/share/vulkan/registry/vk.xml"; then
        pv_apt_private_open trixie trixie trixie-backports
        pv_apt_private_unpack trixie "$root" libvulkan-dev/trixie
        pv_stamp_set registry
    fi
    [ -f "$root/usr/share/vulkan/registry/vk.xml" ] ||
        pv_say_fail "no vk.xml below $root/usr/share/vulkan/registry" \
            "remove $pv_sysroot/registry and run setup again"
    pv_env_write 20-registry PV_VK_REGISTRY "$root/usr/share/vulkan/registry/vk.xml" \
        PV_VULKAN_HEADERS "$root/usr/include"
}
