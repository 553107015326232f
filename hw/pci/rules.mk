# SPDX-License-Identifier: MIT

obj-y += hw/pci/gpex.o
obj-y += hw/pci/msix.o
obj-y += hw/pci/pci.o
