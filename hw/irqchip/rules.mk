# SPDX-License-Identifier: MIT

obj-y += hw/irqchip/sifive-plic.o
