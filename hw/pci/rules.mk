# SPDX-License-Identifier: MIT

obj-y += hw/pci/gpex.o
obj-y += hw/pci/msi.o
obj-y += hw/pci/msix.o
obj-y += hw/pci/pci.o
obj-y += hw/pci/pci-rom.o
obj-y += hw/pci/pci-bridge.o
obj-y += hw/pci/pci-bus.o
obj-y += hw/pci/pcie-port.o
obj-y += hw/pci/i440fx.o
obj-y += hw/pci/pc-host.o
obj-y += hw/pci/q35.o
