# SPDX-License-Identifier: MIT
# kernel.py is skipped where scripts/debug-kernel has not been run; check-slow runs it first.

fast-checks += tests/gdb/gdb.py
slow-checks += tests/gdb/kernel.py
slow-checks += tests/gdb/x86.py
