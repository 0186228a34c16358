# SPDX-License-Identifier: Apache-2.0
"""The archive format of an initramfs ("newc": linux/Documentation/driver-api/early-userspace/
buffer-format.rst)."""


def archive(entries):
    """{"dir/": None, "dir/file": bytes, …}: directories before what is in them. Files are
    executable: nothing in an initramfs minds."""
    parts = []
    for number, (name, data) in enumerate(entries.items(), start=1):
        if data is None:
            parts.append(_entry(number, name.rstrip("/"), 0o040755, b""))
        else:
            parts.append(_entry(number, name, 0o100755, data))
    parts.append(_entry(0, "TRAILER!!!", 0, b""))
    return b"".join(parts)


def _entry(number, name, mode, data):
    encoded = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
    header = b"070701" + b"".join(b"%08x" % field for field in fields)
    return _padded(header + encoded) + _padded(data)


def _padded(data):
    return data + b"\0" * (-len(data) % 4)
