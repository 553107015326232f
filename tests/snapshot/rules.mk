# SPDX-License-Identifier: MIT

fast-checks += tests/snapshot/state.py
fast-checks += tests/snapshot/disks.py
fast-checks += tests/snapshot/fork.py
fast-checks += tests/snapshot/fork-pc.py
slow-checks += tests/snapshot/debian.py
slow-checks += tests/snapshot/pc.py
slow-checks += tests/snapshot/pc-linux.py
slow-checks += tests/snapshot/generation.py
slow-checks += tests/snapshot/fork-linux.py
