import os

import infra.basetest


class TestIrsync(infra.basetest.BRTest):
    """Started at boot, irsync brings a file from an rsync daemon of the same
    board, and starts again after a restart."""

    br2_external = [os.environ["BR2_EXTERNAL_IRSYNC_PATH"]]
    config = \
        """
        BR2_aarch64=y
        BR2_TOOLCHAIN_EXTERNAL=y
        BR2_TOOLCHAIN_EXTERNAL_BOOTLIN=y
        BR2_TARGET_GENERIC_GETTY_PORT="ttyAMA0"
        BR2_LINUX_KERNEL=y
        BR2_LINUX_KERNEL_USE_CUSTOM_CONFIG=y
        BR2_LINUX_KERNEL_CUSTOM_CONFIG_FILE="board/qemu/aarch64-virt/linux.config"
        BR2_LINUX_KERNEL_NEEDS_HOST_OPENSSL=y
        BR2_PACKAGE_IRSYNC=y
        BR2_TARGET_ROOTFS_CPIO=y
        BR2_TARGET_ROOTFS_CPIO_GZIP=y
        # BR2_TARGET_ROOTFS_TAR is not set
        """

    def test_run(self):
        self.emulator.boot(
            arch="aarch64",
            kernel=os.path.join(self.builddir, "images", "Image"),
            kernel_cmdline=["console=ttyAMA0"],
            options=["-M", "virt", "-cpu", "cortex-a57", "-m", "256M",
                     "-initrd", os.path.join(self.builddir, "images", "rootfs.cpio.gz")])
        self.emulator.login()

        # The sample is valid; no job in it is enabled, so irsync runs and waits.
        self.assertRunOk("irsync check")
        self.assertRunOk("/etc/init.d/S60irsync status")

        self.assertRunOk("mkdir -p /srv/source /srv/copy && echo content > /srv/source/file")
        # Not rsync's own default for gid: it is that of the machine which built
        # it, and Debian's group nogroup does not exist here.
        self.assertRunOk(
            "printf 'uid = root\\ngid = root\\n[media]\\npath = /srv/source\\n' "
            "> /tmp/rsyncd.conf")
        self.assertRunOk("rsync --daemon --address=127.0.0.1 --config=/tmp/rsyncd.conf")
        self.assertRunOk(
            "printf 'log = syslog\\n[media]\\nsource = rsync://127.0.0.1/media/\\n"
            "destination = /srv/copy\\ninterval = 1s\\n' > /etc/irsync.ini")
        self.assertRunOk("irsync check")
        self.assertRunOk("/etc/init.d/S60irsync restart")
        self.assertRunOk(
            "for i in $(seq 60); do [ -e /srv/copy/file ] && break; sleep 1; done; "
            "cmp /srv/source/file /srv/copy/file", timeout=120)
        self.assertRunOk("/etc/init.d/S60irsync stop")
        _, exit_code = self.emulator.run("/etc/init.d/S60irsync status")
        self.assertEqual(exit_code, 3)
