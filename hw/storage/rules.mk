# SPDX-License-Identifier: MIT

obj-y += hw/storage/pflash-cfi01.o
