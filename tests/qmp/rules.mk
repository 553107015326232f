# SPDX-License-Identifier: MIT

fast-checks += tests/qmp/commands.py
fast-checks += tests/qmp/cpus.py
fast-checks += tests/qmp/consoles.py
fast-checks += tests/qmp/options.py
fast-checks += tests/qmp/process.py
fast-checks += tests/qmp/qmp.py
fast-checks += tests/qmp/schema.py
