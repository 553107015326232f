# SPDX-License-Identifier: MIT

obj-y += hw/misc/sifive-test.o
