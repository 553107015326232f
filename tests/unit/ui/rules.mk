# SPDX-License-Identifier: MIT

unit-tests += tests/unit/ui/test-console
tests/unit/ui/test-console-objs := ui/console.o ui/cp437.o

unit-tests += tests/unit/ui/test-websocket
tests/unit/ui/test-websocket-objs := ui/http.o ui/websocket.o

unit-tests += tests/unit/ui/test-vt
tests/unit/ui/test-vt-objs := ui/vt.o ui/vt-keys.o ui/font.o
