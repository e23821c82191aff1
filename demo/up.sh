#!/usr/bin/env bash
# Starts a control plane, the emulated cloud and the operator, and leaves them
# running. down.sh ends them.
. "$(dirname "$0")/lib.sh"

dir="$cache/up"
tell() {
    cat <<TEXT

  export KUBECONFIG=$dir/cluster/kubeconfig
  kubectl:     $cluster kubectl
  cooper:      $(realpath "$bin")/cooper status
  samples:     kubectl apply -k $dir/overlay/demo
  cloud API:   $(member "$dir/emulator.json" api)    token $cloud_token, in Secret demo/upcloud
  S3:          $(member "$dir/emulator.json" s3)
  websites:    $(member "$dir/emulator.json" web)
  control API: $(member "$dir/emulator.json" control)
  operator:    $(member "$dir/operator.json" http)    log $dir/operator.log
  end it:      make down
TEXT
}

if [ -f "$dir/pids" ]; then
    cluster=$(awk '$2 == "control-plane" { print $3 }' "$dir/pids")
    if [ -f "$dir/ready" ] && awk '{ print $1 }' "$dir/pids" | xargs kill -0 2>/dev/null; then
        say "it is running already"
        tell
        exit 0
    fi
    stop_all
fi
build
rm -rf "$dir"
mkdir -p "$dir"
trap 'stop_all' EXIT
start_all
credentials
touch "$dir/ready"
trap - EXIT
tell
