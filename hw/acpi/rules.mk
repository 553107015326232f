# SPDX-License-Identifier: MIT

obj-y += hw/acpi/acpi-pm.o
obj-y += hw/acpi/piix4-pm.o
obj-y += hw/acpi/vmgenid.o
