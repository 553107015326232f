# SPDX-License-Identifier: MIT
# Objects of tcg/, one line a file; sub-folders have a rules.mk of their own.

include $(sort $(wildcard $(SRC)/tcg/*/rules.mk) $(wildcard $(SRC)/tcg/host/$(HOST)/rules.mk))
