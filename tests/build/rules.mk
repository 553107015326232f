# SPDX-License-Identifier: MIT
# The build itself: configure, the installed tree, other compilers.

fast-checks += tests/build/configure.py
slow-checks += tests/build/install.py
slow-checks += tests/build/examples.py
long-checks += tests/build/builds.py
