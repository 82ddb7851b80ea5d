#!/usr/bin/env bash
# Makes a stand-in for the official python:3.13-slim out of Debian packages, for machines that
# reach a Debian mirror and no container registry. For tests: it trusts the certificate
# authorities of this machine, so do not push it anywhere.
#
#   base_image.sh TAG [SUITE]        needs root, debootstrap, and a Docker engine that answers
set -euo pipefail

tag="$1"
suite="${2:-trixie}" # has CPython 3.13

root="$(mktemp -d)"
trap 'rm -rf "$root"' EXIT

debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv,python3-pip \
  "$suite" "$root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >"$root.log" 2>&1 ||
  { tail -n 20 "$root.log" >&2; exit 1; }
rm "$root.log"

# As in the official image: there is a `python`, and pip may install into the system's folders.
ln -s python3 "$root/usr/bin/python"
rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED

# pip in `docker build` has to trust the same certificate authorities as this machine.
authorities="${PIP_CERT:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}"
if [ -r "$authorities" ]; then
  install -m 0644 "$authorities" "$root/etc/ssl/certs/ca-certificates.crt"
fi

rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* \
  "$root"/usr/share/{doc,info,locale,man}

# Device nodes come from the engine.
tar --create --directory "$root" --numeric-owner --exclude './dev/*' . |
  docker import \
    --change 'ENV LANG=C.UTF-8 PIP_CERT=/etc/ssl/certs/ca-certificates.crt' \
    --change 'CMD ["python3"]' \
    - "$tag"
