# SPDX-License-Identifier: MIT

fast-checks += tests/qtest/protocol.py tests/qtest/devices.py \
    tests/qtest/transports.py tests/qtest/virtio-net-test.py tests/qtest/virtio-serial-test.py \
    tests/qtest/balloon-test.py tests/qtest/input-test.py tests/qtest/xhci-test.py tests/qtest/ahci-test.py tests/qtest/pci-test.py
fast-checks += tests/qtest/pc-irq.py tests/qtest/pc-timers.py tests/qtest/pc-chipset.py \
    tests/qtest/ide-test.py tests/qtest/fdc-test.py tests/qtest/e1000-test.py tests/qtest/pc-fuzz.py \
    tests/qtest/acpi-test.py tests/qtest/smbus-test.py tests/qtest/vga-test.py tests/qtest/vnc-test.py \
    tests/qtest/gpu-test.py tests/qtest/ramfb-test.py tests/qtest/smbios-test.py tests/qtest/disk-errors.py
slow-checks += tests/qtest/broken-states.py
