# SPDX-License-Identifier: MIT
# Objects of accel/, one line a file; sub-folders have a rules.mk of their own.

obj-y += accel/accel.o
obj-y += accel/turns.o
obj-y += accel/vcpu.o

include $(sort $(wildcard $(SRC)/accel/*/rules.mk))
