# SPDX-License-Identifier: MIT

obj-y += hw/i2c/ich9-smbus.o
obj-y += hw/i2c/smbus-host.o
obj-y += hw/i2c/spd.o
