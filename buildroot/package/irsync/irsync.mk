################################################################################
#
# irsync
#
################################################################################

IRSYNC_VERSION = 0.1.0
# A folder with the released tarball: IRSYNC_SITE=file:///path/to/release, or
# where you keep your releases. BR2_PRIMARY_SITE serves as well.
IRSYNC_SITE ?= https://releases.irsync.invalid
# It brings its crates, so it is not changed by downloading it and has the same
# name and hash with every Buildroot.
IRSYNC_SOURCE = irsync-$(IRSYNC_VERSION)-vendored.tar.gz
IRSYNC_LICENSE = MIT
IRSYNC_LICENSE_FILES = LICENSE
IRSYNC_DEPENDENCIES = rsync

# Size is what counts on a device; the profile of Cargo.toml says so, the cargo
# infrastructure would overrule it.
IRSYNC_CARGO_ENV = \
	CARGO_PROFILE_RELEASE_OPT_LEVEL=z \
	CARGO_PROFILE_RELEASE_LTO=fat \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1

# IRSYNC_OVERRIDE_SRCDIR=/path/to/checkout builds that instead. A checkout has
# no vendored crates, cargo fetches the ones that Cargo.lock names.
IRSYNC_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = --exclude /target
define IRSYNC_VENDOR_CRATES
	grep -q vendored-sources $(@D)/.cargo/config.toml 2>/dev/null || \
		(cd $(@D) && mkdir -p .cargo && \
		$(TARGET_MAKE_ENV) $(PKG_CARGO_ENV) \
		cargo vendor --locked VENDOR >>.cargo/config.toml)
endef
ifneq ($(IRSYNC_OVERRIDE_SRCDIR),)
IRSYNC_PRE_BUILD_HOOKS += IRSYNC_VENDOR_CRATES
endif

define IRSYNC_LINUX_CONFIG_FIXUPS
	$(call KCONFIG_ENABLE_OPT,CONFIG_WATCHDOG)
	$(call KCONFIG_ENABLE_OPT,CONFIG_WATCHDOG_SYSFS)
	$(call KCONFIG_ENABLE_OPT,CONFIG_WATCHDOG_HANDLE_BOOT_ENABLED)
endef

IRSYNC_INI = $(call qstrip,$(BR2_PACKAGE_IRSYNC_INI))
ifneq ($(IRSYNC_INI),)
define IRSYNC_INSTALL_INI
	$(INSTALL) -D -m 0640 $(IRSYNC_INI) $(TARGET_DIR)/etc/irsync.ini
endef
else
# In the background nobody reads stderr.
define IRSYNC_INSTALL_INI
	$(INSTALL) -D -m 0640 $(@D)/irsync.ini $(TARGET_DIR)/etc/irsync.ini
	$(SED) 's/^; log = stderr$$/log = syslog/' $(TARGET_DIR)/etc/irsync.ini
endef
endif
IRSYNC_POST_INSTALL_TARGET_HOOKS += IRSYNC_INSTALL_INI

# Only where there is a bash or a zsh to use it.
ifeq ($(BR2_PACKAGE_BASH_COMPLETION),y)
define IRSYNC_INSTALL_BASH_COMPLETION
	$(INSTALL) -D -m 0644 $(@D)/completions/irsync.bash \
		$(TARGET_DIR)/usr/share/bash-completion/completions/irsync
endef
IRSYNC_POST_INSTALL_TARGET_HOOKS += IRSYNC_INSTALL_BASH_COMPLETION
endif
ifeq ($(BR2_PACKAGE_ZSH),y)
define IRSYNC_INSTALL_ZSH_COMPLETION
	$(INSTALL) -D -m 0644 $(@D)/completions/_irsync \
		$(TARGET_DIR)/usr/share/zsh/site-functions/_irsync
endef
IRSYNC_POST_INSTALL_TARGET_HOOKS += IRSYNC_INSTALL_ZSH_COMPLETION
endif

# A password may stand in it.
define IRSYNC_PERMISSIONS
	/etc/irsync.ini f 0640 0 0 - - - - -
endef

ifeq ($(BR2_PACKAGE_IRSYNC_RESPAWN),y)
define IRSYNC_INSTALL_INIT_SYSV
	$(RM) $(TARGET_DIR)/etc/init.d/S60irsync
endef
IRSYNC_RESPAWN_ID = $(if $(BR2_INIT_SYSV),irs:2345,:)
define IRSYNC_RESPAWN_FROM_INITTAB
	grep -q irsync $(TARGET_DIR)/etc/inittab || \
		echo '$(IRSYNC_RESPAWN_ID):respawn:/usr/bin/irsync run' \
		>>$(TARGET_DIR)/etc/inittab
endef
IRSYNC_TARGET_FINALIZE_HOOKS += IRSYNC_RESPAWN_FROM_INITTAB
else
define IRSYNC_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(IRSYNC_PKGDIR)/S60irsync \
		$(TARGET_DIR)/etc/init.d/S60irsync
endef
endif

define IRSYNC_INSTALL_INIT_SYSTEMD
	$(INSTALL) -D -m 0644 $(IRSYNC_PKGDIR)/irsync.service \
		$(TARGET_DIR)/usr/lib/systemd/system/irsync.service
endef

$(eval $(cargo-package))
