# SPDX-License-Identifier: MIT

unit-tests += tests/unit/qom/test-object
tests/unit/qom/test-object-objs := $(qom-objs)

unit-tests += tests/unit/qom/test-device
tests/unit/qom/test-device-objs := $(qom-objs)
