# SPDX-License-Identifier: MIT

unit-tests += tests/unit/ui/test-console
tests/unit/ui/test-console-objs := ui/console.o
