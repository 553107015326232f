# SPDX-License-Identifier: MIT

obj-y += hw/rtc/goldfish-rtc.o
obj-y += hw/rtc/mc146818.o
