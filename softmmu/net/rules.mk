# SPDX-License-Identifier: MIT

obj-y += softmmu/net/net.o
obj-$(CONFIG_SLIRP) += softmmu/net/user.o
