#!/bin/bash
# Alerts and dashboard, for real: promtool's checks and unit tests, and then a Prometheus that scrapes an operator at work and is
# asked every query there is. Draws the main panels into the file named as argument, or beside its other output.
# Needs prometheus and promtool (Debian: prometheus), and the programs built (cargo build --workspace --bins).
set -euo pipefail
cd "$(dirname "$0")/../.."
for tool in prometheus promtool; do
    command -v $tool >/dev/null || { echo "$tool is missing: install your system's package prometheus" >&2; exit 1; }
done
promtool check rules deploy/monitoring/rules.yaml
promtool test rules deploy/monitoring/tests.yaml


. demo/lib.sh
scratch monitoring
drawing=${1:-$dir/monitoring.svg}

cluster=$(tests/cluster/build.sh)
start_all
cat >"$dir/prometheus.yaml" <<YAML
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [$PWD/deploy/monitoring/rules.yaml]
scrape_configs:
  - job_name: cooper
    static_configs: [{targets: ["$(member "$dir/operator.json" http | sed 's,http://,,')"]}]
  # Somebody else, as in a Prometheus that many share. Where it listens is known once it runs.
  - job_name: prometheus
    file_sd_configs: [{files: ["$dir/others.json"], refresh_interval: 1s}]
YAML
start prometheus "$(command -v prometheus)" --config.file "$dir/prometheus.yaml" --storage.tsdb.path "$dir/prometheus" \
    --web.listen-address 127.0.0.1:0
address=
for _ in $(seq 300); do
    address=$(sed -n 's/.*msg="Listening on".*address=\(127[^ ]*\).*/\1/p' "$dir/prometheus.log" 2>/dev/null | head -n 1) || true
    [ -z "$address" ] || break
    sleep 0.1
done
[ -n "$address" ] || die "Prometheus did not start"
echo "[{\"targets\": [\"$address\"]}]" >"$dir/others.json"
say "Prometheus scrapes the operator and itself"
# The rates need a sample from before the work.
sleep 3
began=$(date +%s)
credentials
kubectl apply -k "$dir/overlay/demo" >/dev/null
kubectl wait --for=condition=Ready --timeout=180s iamuser --all -n demo >/dev/null
say "the samples are Ready; a key is rotated and a website goes and comes, for the picture"
kubectl annotate iamuser --all -n demo cooper.dev/rotate=now >/dev/null
sleep 15
# Nobody uses it, so it goes at once. What becomes Ready now is seen as a rate; what did before the first scrape of its series is not.
kubectl delete staticwebsite --all -n demo --timeout=60s >/dev/null
sleep 5
kubectl apply -k "$dir/overlay/demo" >/dev/null
# And something is not Ready.
kubectl apply -f - >/dev/null <<'YAML'
apiVersion: upcloud.cooper.dev/v1alpha1
kind: Bucket
metadata: {name: early, namespace: demo}
spec: {serviceRef: {name: not-yet}}
YAML
sleep 10
say "asking every query"
python3 deploy/monitoring/check.py "http://$address" "$began" "$drawing"
