# SPDX-License-Identifier: MIT

fast-checks += tests/snapshot/state.py
slow-checks += tests/snapshot/debian.py
