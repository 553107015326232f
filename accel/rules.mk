# SPDX-License-Identifier: MIT
# Objects of accel/, one line a file; sub-folders have a rules.mk of their own.

include $(sort $(wildcard $(SRC)/accel/*/rules.mk))
