SUMMARY = "Keeps files on an unattended device in step with an rsync server"
DESCRIPTION = "Runs rsync on an interval, kills it when it stalls, starts it again, and feeds the hardware watchdog."
HOMEPAGE = "https://releases.irsync.invalid"
BUGTRACKER = "https://releases.irsync.invalid"
SECTION = "net"
CVE_PRODUCT = "irsync"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://LICENSE;md5=63edced8ad7bae4860819ba7abaa7faa"

# Where the released tarball is: set it in a distro's configuration or a .bbappend, or use a mirror.
IRSYNC_SITE ?= "https://releases.irsync.invalid"

SRC_URI = "\
    ${IRSYNC_SITE}/irsync-${PV}.tar.gz;name=irsync \
    file://irsync.init \
    file://irsync.service \
    file://run-ptest \
"
SRC_URI[irsync.sha256sum] = "0000000000000000000000000000000000000000000000000000000000000000"

require irsync-crates.inc

inherit cargo cargo-update-recipe-crates ptest systemd update-rc.d

# Where the files of SRC_URI are: series before styhead have no UNPACKDIR.
IRSYNC_FILES = "${@d.getVar('UNPACKDIR') or d.getVar('WORKDIR')}"

# Symbols are split off and stripped by the packaging, not by the compiler.
export CARGO_PROFILE_RELEASE_STRIP = "none"

INITSCRIPT_NAME = "irsync"
INITSCRIPT_PARAMS = "defaults 60 40"

SYSTEMD_SERVICE:${PN} = "irsync.service"

do_install:append() {
    # scarthgap's class installs the library half of the crate too. A program: nothing to link with.
    rm -rf "${D}${libdir}"
    install -D -m 0644 "${S}/man/irsync.8" "${D}${mandir}/man8/irsync.8"
    install -D -m 0644 "${S}/man/irsync.ini.5" "${D}${mandir}/man5/irsync.ini.5"
    install -D -m 0644 "${S}/completions/irsync.bash" "${D}${datadir}/bash-completion/completions/irsync"
    install -D -m 0644 "${S}/completions/_irsync" "${D}${datadir}/zsh/site-functions/_irsync"
    # The sample, unless a .bbappend brings an irsync.ini: by SRC_URI, because scarthgap lets the file of a .bbappend that
    # is gone lie there. In the background nobody reads stderr.
    if ${@bb.utils.contains('SRC_URI', 'file://irsync.ini', 'true', 'false', d)}; then
        install -D -m 0640 "${IRSYNC_FILES}/irsync.ini" "${D}${sysconfdir}/irsync.ini"
    else
        install -D -m 0640 "${S}/irsync.ini" "${D}${sysconfdir}/irsync.ini"
        sed -i 's/^; log = stderr$/log = syslog/' "${D}${sysconfdir}/irsync.ini"
    fi
    if ${@bb.utils.contains('DISTRO_FEATURES', 'sysvinit', 'true', 'false', d)}; then
        install -D -m 0755 "${IRSYNC_FILES}/irsync.init" "${D}${sysconfdir}/init.d/irsync"
    fi
    if ${@bb.utils.contains('DISTRO_FEATURES', 'systemd', 'true', 'false', d)}; then
        install -D -m 0644 "${IRSYNC_FILES}/irsync.service" "${D}${systemd_system_unitdir}/irsync.service"
    fi
}

CONFFILES:${PN} = "${sysconfdir}/irsync.ini"

# Not by bash-completion.bbclass, which would build bash-completion for two kilobytes of text.
PACKAGES =+ "${PN}-bash-completion ${PN}-zsh-completion"
FILES:${PN}-bash-completion += "${datadir}/bash-completion"
FILES:${PN}-zsh-completion += "${datadir}/zsh"

RDEPENDS:${PN} = "rsync"
RSUGGESTS:${PN}-bash-completion = "bash-completion"
RSUGGESTS:${PN}-zsh-completion = "zsh"
