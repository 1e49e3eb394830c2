# Makes sure of Rust and of a C compiler, which links. Sourced after lib.sh, never run.

# rustup's own folder is not on the path of every shell.
if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then PATH=$HOME/.cargo/bin:$PATH; fi

packages() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then return 1; fi
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

if ! command -v cc >/dev/null; then
    step "install a C compiler" packages gcc libc6-dev
fi
# A distribution's own Rust is mostly too old; its rustup, where it has one, is not.
if ! command -v cargo >/dev/null; then
    if apt-cache show rustup >/dev/null 2>&1; then
        step "install rustup" packages rustup
        step "install Rust" rustup default stable
    else
        die "Rust is needed, 1.90 or newer: install it from https://rustup.rs"
    fi
fi
version=$(cargo --version | cut -d' ' -f2)
wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$testbed/../Cargo.toml")
if [ "$(printf '%s\n' "$wanted" "$version" | sort -V | head -n1)" != "$wanted" ]; then
    die "this is Rust $version, and $wanted or newer is needed: rustup update stable"
fi
