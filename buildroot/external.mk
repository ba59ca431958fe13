include $(sort $(wildcard $(BR2_EXTERNAL_IRSYNC_PATH)/package/*/*.mk))
