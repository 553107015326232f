# SPDX-License-Identifier: MIT

fast-checks += tests/qmp/qmp.py
