# SPDX-License-Identifier: MIT
# Objects of softmmu/util/: base, on which everything stands.

obj-y += softmmu/util/error.o
