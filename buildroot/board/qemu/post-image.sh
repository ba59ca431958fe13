#!/bin/sh
# Buildroot calls it with the images' folder and BR2_ROOTFS_POST_SCRIPT_ARGS, the architecture: writes start-qemu.sh beside
# the images. The board has a watchdog that resets it.
set -eu
images="$1"
disk='-drive file=rootfs.ext2,if=virtio,format=raw'
common='-m 256 -nographic -device i6300esb -action watchdog=reset -nic user,model=virtio-net-pci'
case "$2" in
x86_64) board="qemu-system-x86_64 -M q35 -kernel bzImage" console=ttyS0 ;;
aarch64) board="qemu-system-aarch64 -M virt -cpu cortex-a53 -kernel Image" console=ttyAMA0 ;;
arm) board="qemu-system-arm -M virt -kernel zImage" console=ttyAMA0 ;;
*) echo "post-image.sh: unknown architecture '$2'" >&2; exit 1 ;;
esac
cat > "$images/start-qemu.sh" <<END
#!/bin/sh
cd "\${0%/*}" || exit
exec $board $common $disk -append "rootwait root=/dev/vda console=$console" "\$@"
END
chmod +x "$images/start-qemu.sh"
