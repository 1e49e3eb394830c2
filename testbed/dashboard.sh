#!/bin/bash
# A real Chromium opens the page of `kubectl casskop dashboard`, from a server that plays the API server. Needs no testbed.
#   SCREENSHOTS=1 dashboard.sh    also writes the pictures of docs/dashboard.md
# Chromium is the package of the machine.
. "$(dirname "$0")/lib.sh"
. "$testbed/rust.sh"
cd "$testbed/.."

browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
if ! browser >/dev/null; then
    [ "$(id -u)" = 0 ] || die "run as root, or install Chromium: this package is missing: chromium"
    install_chromium() {
        apt-get update -q
        DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium fonts-dejavu-core
    }
    step "install chromium" install_chromium
fi
CHROMIUM=$(browser) env --default-signal=INT \
    cargo test --quiet --locked -p kubectl-casskop --test cli -- --ignored dashboard::
say "the page works in $(basename "$(browser)")"
