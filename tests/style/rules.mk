# SPDX-License-Identifier: MIT
# Checks of how the tree reads. The quick ones also run in check-fast.

style-fast := tests/style/layers.py tests/style/sizes.py tests/style/text.py
style-checks := $(style-fast) tests/style/headers.py tests/style/format.py

slow-checks += tests/style/reference.py

fast-checks += $(style-fast)

check-style:
	$(SRC)/tests/run $(addprefix $(SRC)/,$(style-checks))

# Lays out every .c and .h file.
format:
	python3 $(SRC)/tests/style/format.py --fix

.PHONY: check-style format
