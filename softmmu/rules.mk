# SPDX-License-Identifier: MIT
# Objects of softmmu/, one line a file; sub-folders have a rules.mk of their own.

include $(sort $(wildcard $(SRC)/softmmu/*/rules.mk))
