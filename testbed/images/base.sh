#!/bin/bash
# Writes the base of the Cassandra images as a tar file: the essential part of
# Debian, Java, and user cassandra with the number it has in the stock image.
set -euo pipefail

# Java's packages want to leave manual pages in a folder that must exist.
mmdebstrap --variant=essential --include=openjdk-17-jre-headless \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/i18n/*' \
    --essential-hook='mkdir -p "$1/usr/share/man/man1"' \
    --customize-hook='echo "cassandra:x:999:" >>"$1/etc/group"' \
    --customize-hook='echo "cassandra:x:999:999::/home/cassandra:/bin/bash" >>"$1/etc/passwd"' \
    --customize-hook='rm -rf "$1"/var/cache/* "$1"/var/log/* "$1"/var/lib/apt/lists/*' \
    --format=tar bookworm "$1"
