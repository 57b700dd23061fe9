# What the scripts install where it is lacking. Sourced; needs no network where everything is there.

# need 'COMMAND:PACKAGE PACKAGE'...   installs the Debian packages of the commands that are not there
need() {
  local pair missing=() as_root=()
  for pair in "$@"; do
    # shellcheck disable=SC2206 # a command may need several packages
    command -v "${pair%%:*}" >/dev/null || missing+=(${pair#*:})
  done
  ((${#missing[@]})) || return 0
  echo "installing ${missing[*]}"
  if ! command -v apt-get >/dev/null; then
    echo "lacking: ${missing[*]}; please install them (no apt-get here)" >&2
    return 1
  fi
  if ((EUID)); then
    command -v sudo >/dev/null || { echo "lacking: ${missing[*]}; please install them (not root, and no sudo)" >&2; return 1; }
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq || echo "apt-get update failed; trying with what is known" >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

# need_rust [COMPONENT...]   Rust itself is not installed behind anybody's back
need_rust() {
  local component
  if ! command -v cargo >/dev/null && [[ -x ${CARGO_HOME:-${HOME:-/root}/.cargo}/bin/cargo ]]; then
    PATH=${CARGO_HOME:-${HOME:-/root}/.cargo}/bin:$PATH
  fi
  if ! command -v cargo >/dev/null; then
    echo "libsoe is written in Rust, and there is no cargo here: see https://rustup.rs" >&2
    return 1
  fi
  for component in "$@"; do
    "cargo-$component" --version >/dev/null 2>&1 || rustup component add "${component/fmt/rustfmt}"
  done
}
