#!/bin/sh
# Prints cooper's version. The workspace's Cargo.toml is the one place where it stands; chart, base and image are compared with it.
sed -n '/^\[workspace.package\]/,/^\[/ s/^version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml"
