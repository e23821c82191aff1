#!/bin/sh
# Writes prometheusrule.yaml anew from rules.yaml: kustomize cannot put the one into the other. `make crds` calls it, and
# charts/test.sh fails where the two differ.
set -eu
cd "$(dirname "$0")"
{
    cat <<'YAML'
# Made from rules.yaml by `make crds`; do not edit.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: cooper
  namespace: cooper-system
  labels:
    app.kubernetes.io/name: cooper
spec:
YAML
    sed -e '/^#/d' -e 's/^\(.\)/  \1/' rules.yaml
} >prometheusrule.yaml
