# SPDX-License-Identifier: MIT

obj-y += hw/irqchip/sifive-plic.o
obj-y += hw/irqchip/apic.o
obj-y += hw/irqchip/apic-bus.o
obj-y += hw/irqchip/i8259.o
obj-y += hw/irqchip/ioapic.o
