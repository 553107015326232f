# SPDX-License-Identifier: MIT

obj-y += hw/net/e1000-eeprom.o
obj-y += hw/net/e1000-tx.o
obj-y += hw/net/e1000.o
