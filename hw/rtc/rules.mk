# SPDX-License-Identifier: MIT

obj-y += hw/rtc/goldfish-rtc.o
