# SPDX-License-Identifier: MIT
# The build itself: configure, other compilers, the installed tree.

fast-checks += tests/build/configure.py
