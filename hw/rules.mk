# SPDX-License-Identifier: MIT
# Objects of hw/, one line a file; sub-folders have a rules.mk of their own.

include $(sort $(wildcard $(SRC)/hw/*/rules.mk))

obj-y += hw/machine-device.o
obj-y += hw/mmio-device.o
