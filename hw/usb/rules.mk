# SPDX-License-Identifier: MIT

obj-y += hw/usb/hid.o
obj-y += hw/usb/usb.o
obj-y += hw/usb/xhci.o
obj-y += hw/usb/xhci-command.o
obj-y += hw/usb/xhci-transfer.o
