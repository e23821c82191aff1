#!/usr/bin/env bash
# The whole story on one machine, without a cloud account: installs cooper into a
# fresh control plane, applies the samples, uses what they make with awscli, and
# deletes everything. Exits 0 if all of it held.
. "$(dirname "$0")/lib.sh"

dir=$(mktemp -d "${TMPDIR:-/tmp}/cooper-demo-XXXXXX")
failures=0
finish() {
    local code=$?
    set +e
    if [ $code -ne 0 ] && [ -f "$dir/operator.log" ]; then
        echo "the end of the operator's log:" >&2
        tail -n 20 "$dir/operator.log" >&2
    fi
    stop_all
    rm -rf "$dir"
    exit $code
}
trap finish EXIT
trap 'exit 130' INT TERM

held() { say "ok: $*"; }
failed() {
    say "FAILED: $*"
    failures=$((failures + 1))
}

# check TEXT COMMAND...: what must succeed. Its output is shown if it does not.
check() {
    local text=$1
    shift
    if "$@" >"$dir/output" 2>&1; then
        held "$text"
    else
        failed "$text"
        sed 's/^/      /' "$dir/output"
    fi
}

# refused TEXT COMMAND...: what must be answered with AccessDenied, not merely fail.
refused() {
    local text=$1
    shift
    if ! "$@" >"$dir/output" 2>&1 && grep -q AccessDenied "$dir/output"; then
        held "$text"
    else
        failed "$text"
        sed 's/^/      /' "$dir/output"
    fi
}

# aws_as_workload ...: awscli with the two files from the Secret and an environment without anything else.
aws_as_workload() {
    env -i AWS_SHARED_CREDENTIALS_FILE="$dir/aws/credentials" AWS_CONFIG_FILE="$dir/aws/config" "$aws" "$@"
}

# entries: the Secret's entries. Only what is no secret is shown.
show_secret() {
    kubectl get secret ci-s3 -n demo -o json | python3 -c '
import base64, json, sys
for name, value in sorted(json.load(sys.stdin)["data"].items()):
    text = base64.b64decode(value).decode()
    shown = text if name in ("AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "BUCKET_NAME") else f"******** ({len(text)} characters)"
    print(f"      {name:24} {shown}")'
}

# entry NAME FILE: one entry of the Secret as a file, readable by us only.
entry() {
    (umask 077 && kubectl get secret ci-s3 -n demo -o json |
        python3 -c 'import base64, json, sys; sys.stdout.buffer.write(base64.b64decode(json.load(sys.stdin)["data"][sys.argv[1]]))' "$1" >"$2")
}

# page PATH STATUS TEXT: what a visitor of the website sees.
page() {
    python3 - "$(member "$dir/emulator.json" web)" "$domain" "$@" <<'PYTHON'
import sys, urllib.error, urllib.request
web, domain, path, status, text = sys.argv[1:]
request = urllib.request.Request(web.rstrip("/") + path, headers={"Host": domain})
try:
    answer = urllib.request.urlopen(request, timeout=10)
except urllib.error.HTTPError as error:
    answer = error
body = answer.read().decode()
if answer.status != int(status) or text not in body:
    sys.exit(f"http://{domain}{path} answers {answer.status}: {body}")
PYTHON
}

# nothing_left: whether the cloud account is empty, in the cloud's own words.
nothing_left() {
    python3 - "$(member "$dir/emulator.json" control)" "$cloud_account" <<'PYTHON'
import json, sys, urllib.request
control, account = sys.argv[1:]
with urllib.request.urlopen(control.rstrip("/") + "/state", timeout=10) as answer:
    services = json.load(answer)["accounts"][account]["services"]
left = [service for service in services if service["state"] != "deleted"]
if left:
    sys.exit(json.dumps(left, indent=2))
PYTHON
}

build
install_aws
start_all

say "applying the samples"
credentials
kubectl apply -k "$dir/overlay/demo" >/dev/null
# One more bucket, which no policy names.
kubectl apply -n demo -f - >/dev/null <<'YAML'
apiVersion: upcloud.cooper.dev/v1alpha1
kind: Bucket
metadata: {name: private}
spec: {serviceRef: {name: media}, emptyFor: 0s}
YAML
kinds=accounts,objectstorageservices,buckets,customdomains,iampolicies,iamgroups,iamusers,iamroles,staticwebsites
check "every sample became Ready" kubectl wait --for=condition=Ready --timeout=120s -n demo "$kinds" --all
# One command a kind: together, kubectl shows no columns of their own.
for kind in ${kinds//,/ }; do kubectl get "$kind" -n demo | sed 's/^/      /'; done
say "the Secret that a workload would read:"
show_secret

mkdir -p "$dir/aws" "$dir/site"
entry credentials "$dir/aws/credentials"
entry config "$dir/aws/config"
head -c 100000 /dev/urandom >"$dir/object"
check "awscli puts an object, in an empty environment" aws_as_workload s3 cp "$dir/object" s3://logs/day/1
check "and gets it" aws_as_workload s3 cp s3://logs/day/1 "$dir/again"
check "unchanged" cmp "$dir/object" "$dir/again"
refused "a bucket that its policy does not name is refused to it" aws_as_workload s3 cp "$dir/object" s3://private/day/1

echo '<h1>It is up</h1>' >"$dir/site/index.html"
echo '<h1>Not here</h1>' >"$dir/site/404.html"
check "it uploads a site" aws_as_workload s3 cp --recursive "$dir/site" s3://site
cat >"$dir/public.json" <<'JSON'
{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::site/*"}]}
JSON
check "and lets everybody read it" aws_as_workload s3api put-bucket-policy --bucket site --policy "file://$dir/public.json"
domain=$(kubectl get staticwebsite site -n demo -o 'jsonpath={.status.atProvider.domain}')
check "visitors of $domain see it" page / 200 'It is up'
check "and its error page" page /absent 404 'Not here'

for bucket in logs site; do
    check "bucket $bucket is emptied" aws_as_workload s3 rm --recursive "s3://$bucket"
done
check "the samples are deleted" kubectl delete -k "$dir/overlay/demo" --timeout=120s
check "nothing is left at the cloud" nothing_left

[ $failures -eq 0 ] || die "$failures of the demo's claims did not hold"
say "all of it held"
