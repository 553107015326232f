# SPDX-License-Identifier: MIT
# Images: against a model and Debian's qemu-img, and damaged ones.
slow-checks += tests/block/export.py
slow-checks += tests/block/io-tool.py
slow-checks += tests/block/filters.py
slow-checks += tests/block/jobs.py
slow-checks += tests/block/jobs-guest.py
slow-checks += tests/block/nbd.py
slow-checks += tests/block/formats.py
slow-checks += tests/block/formats-broken.py
slow-checks += tests/block/formats-kill.py
slow-checks += tests/block/formats-random.py
slow-checks += tests/block/amend.py
slow-checks += tests/block/bitmaps.py
slow-checks += tests/block/qcow2-broken.py
slow-checks += tests/block/qcow2-random.py
slow-checks += tests/block/tool.py
slow-checks += tests/block/web-images.py
