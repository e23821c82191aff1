"""Prints the release notes of the version in Cargo.toml: its part of CHANGELOG.md. Fails if there is none, or an empty one."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def notes(changelog, version):
    parts = re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]
    for part in parts:
        head, _, body = part.partition("\n")
        if head.startswith(f"[{version}]") and body.strip():
            return f"# cooper {version}\n\n{body.strip()}\n"
    return None


def main():
    version = subprocess.run([ROOT / "image" / "version.sh"], check=True, capture_output=True, text=True).stdout.strip()
    text = notes((ROOT / "CHANGELOG.md").read_text(), version)
    if not text:
        sys.exit(f"CHANGELOG.md says nothing about {version}")
    print(text, end="")


main()
