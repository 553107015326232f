# SPDX-License-Identifier: MIT

fast-checks += tests/decode/decodegen.py tests/decode/mapgen.py
