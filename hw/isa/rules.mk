# SPDX-License-Identifier: MIT

obj-y += hw/isa/isa.o
obj-y += hw/isa/piix3.o
obj-y += hw/isa/ich9.o
obj-y += hw/isa/ich9-smi.o
