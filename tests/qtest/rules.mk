# SPDX-License-Identifier: MIT

fast-checks += tests/qtest/protocol.py tests/qtest/devices.py
