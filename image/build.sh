#!/usr/bin/env bash
# Builds the operator's image without a daemon, and beside it the list of what is in it:
#
#   image/build.sh [amd64|arm64]  -> target/image/cooper-VERSION-ARCH.tar (OCI archive) and .cdx.json (SBOM, CycloneDX)
#
# The same commit gives the same bytes with the same compiler and C library, wherever it is checked out: paths are
# mapped, times are the commit's, and the certificates are those of a fixed package. Another machine's architecture
# needs its C compiler (Debian: gcc-aarch64-linux-gnu or gcc-x86-64-linux-gnu) and `rustup target add`.
# Prints the archive's path; COOPER_IMAGE_OUT moves the folder.
#
# IMAGE_PROFILE=dev packs a program that is built in a fifth of the time and several times as large, into target/image-dev: for tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

arch=${1:-$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')}
case $arch in
amd64) machine=x86_64 ;;
arm64) machine=aarch64 ;;
*) echo "image: no such architecture: $arch" >&2; exit 1 ;;
esac
target=$machine-unknown-linux-gnu
version=$(image/version.sh)
build="${CARGO_TARGET_DIR:-target}"
# Cargo's name of the profile, its folder, ours, and the bytes that files of the image may have.
profile=${IMAGE_PROFILE:-image}
case $profile in
image) folder=image place=image most=15000000 ;;
dev) folder=debug place=image-dev most=0 ;;
*) echo "image: no such profile: $profile" >&2; exit 1 ;;
esac
out="${COOPER_IMAGE_OUT:-$build/$place}"
mkdir -p "$out"

# What the time of everything in the image is. Outside a clone the caller says it.
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
revision=$(git describe --always --dirty --abbrev=40 --match '' 2>/dev/null || echo unknown)

# --target is named so that the flags are not applied to macros and build scripts, which are loaded by the compiler and cannot be static.
# Addresses to be moved when the program starts are packed, and functions of the same code are one: 10 % of the size.
flags=(
    -Ctarget-feature=+crt-static
    -Cstrip=symbols
    "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
    "--remap-path-prefix=$PWD=/src"
    "--remap-path-prefix=$(realpath "$build")=/target"
    -Clink-arg=-Wl,-z,pack-relative-relocs
    -Clink-arg=-Wl,--icf=all
)
if [ "$(uname -m)" != "$machine" ]; then
    command -v "$machine-linux-gnu-gcc" >/dev/null || { echo "image: $machine-linux-gnu-gcc is needed" >&2; exit 1; }
    export "CARGO_TARGET_${machine^^}_UNKNOWN_LINUX_GNU_LINKER=$machine-linux-gnu-gcc"
fi
# Rust links x86_64 with the linker it brings, which knows these options; elsewhere it has to be told to.
if [ "$machine" != x86_64 ]; then
    host=$(rustc --version --verbose | sed -n 's/^host: //p')
    flags+=("-Clink-arg=-B$(rustc --print sysroot)/lib/rustlib/$host/bin/gcc-ld" -Clink-arg=-fuse-ld=lld)
fi
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; echo "${flags[*]}")
export CARGO_ENCODED_RUSTFLAGS
# Paths in the C code of dependencies: their folder is in the registry, what they generate is in the build's.
export CFLAGS="-ffile-prefix-map=${CARGO_HOME:-$HOME/.cargo}=/cargo -ffile-prefix-map=$(realpath "$build")=/target"
# C code that tells its date tells this one. The commit's would have all of it compiled anew at each commit.
SOURCE_DATE_EPOCH=0 cargo build --quiet --locked --profile "$profile" --package cooper --bin cooper --target "$target"
binary=$build/$target/$folder/cooper

certificates=$(image/certificates.sh)
archive=$out/cooper-$version-$arch.tar
# If this one is not written, no older one is taken for it.
rm -f "$archive" "$archive.json" "${archive%.tar}.cdx.json"
python3 image/oci.py --out "$archive" --name "docker.io/library/cooper:$version" --architecture "$arch" --epoch "$epoch" \
    --entrypoint /cooper --argument=run --argument=--listen=0.0.0.0:8080 --port 8080 --most "$most" \
    --file "$binary:/cooper:755" --file "$certificates:/etc/ssl/certs/ca-certificates.crt:644" \
    --label org.opencontainers.image.title=cooper \
    --label "org.opencontainers.image.description=A Kubernetes operator for managed object storage and IAM" \
    --label org.opencontainers.image.licenses=Apache-2.0 \
    --label "org.opencontainers.image.version=$version" \
    --label "org.opencontainers.image.revision=$revision" >"$archive.json"
python3 image/sbom.py "$target" "$epoch" "/cooper=$binary" "/etc/ssl/certs/ca-certificates.crt=$certificates" >"${archive%.tar}.cdx.json"
echo "image: $(cat "$archive.json")" >&2
echo "$archive"
