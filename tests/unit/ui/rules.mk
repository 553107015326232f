# SPDX-License-Identifier: MIT

unit-tests += tests/unit/ui/test-console
tests/unit/ui/test-console-objs := ui/console.o

unit-tests += tests/unit/ui/test-websocket
tests/unit/ui/test-websocket-objs := ui/http.o ui/websocket.o
tests/unit/ui/test-console-objs := ui/console.o ui/cp437.o
