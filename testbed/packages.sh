#!/bin/bash
# Installs what the testbed needs and the machine lacks, from its own packages.
. "$(dirname "$0")/lib.sh"

# program = package
wanted=(
    containerd=containerd runc=runc iptables=iptables nft=nftables
    conntrack=conntrack ip=iproute2 ebtables=ebtables ethtool=ethtool socat=socat
    mmdebstrap=mmdebstrap java=openjdk-17-jre-headless mvn=maven openssl=openssl
    nsenter=util-linux curl=curl go=golang-go
)
missing=()
for entry in "${wanted[@]}"; do
    command -v "${entry%=*}" >/dev/null || missing+=("${entry#*=}")
done
[ -x /usr/lib/cni/bridge ] || missing+=(containernetworking-plugins)

if [ ${#missing[@]} -gt 0 ]; then
    [ "$(id -u)" = 0 ] || die "run as root: these packages are missing: ${missing[*]}"
    had_containerd=$(command -v containerd || true)
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
    # The testbed runs a containerd of its own; the package's service would
    # start a second one at every boot.
    if [ -z "$had_containerd" ] && [ -d /run/systemd/system ]; then
        systemctl disable --now containerd || true
    fi
fi

# Go fetches the release a module asks for by itself from 1.21 on.
version=$(go env GOVERSION)
minor=${version#go1.}
minor=${minor%%[!0-9]*}
[ "$minor" -ge 21 ] || die "Go 1.21 or newer is needed, this is $version"
