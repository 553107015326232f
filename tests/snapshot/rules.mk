# SPDX-License-Identifier: MIT

fast-checks += tests/snapshot/state.py
fast-checks += tests/snapshot/disks.py tests/snapshot/fork.py
slow-checks += tests/snapshot/debian.py tests/snapshot/pc.py tests/snapshot/pc-linux.py tests/snapshot/generation.py
