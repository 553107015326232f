# SPDX-License-Identifier: MIT

fast-checks += tests/snapshot/state.py
