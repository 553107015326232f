# SPDX-License-Identifier: MIT

fast-checks += tests/gdb/gdb.py
