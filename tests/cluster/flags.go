package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Every write, who asked for it and about what; reads only of those whose rights
// are compared with what they ask for, the ServiceAccounts in cooper's namespace,
// a watch as soon as it is answered. Of bodies only that of a delete, which says
// there whether it is a dry run.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Request, omitStages: [ResponseStarted], verbs: [delete, deletecollection]}
- {level: Metadata, omitStages: [ResponseStarted], verbs: [create, update, patch]}
- {level: Metadata, userGroups: ["system:serviceaccounts:cooper-system"], verbs: [get, list, watch]}
- {level: None}
`

// Controllers that objects without nodes need. The names are those that
// kube-controller-manager --help lists.
var controllers = []string{
	"clusterrole-aggregation-controller",
	"garbage-collector-controller",
	"namespace-controller",
	"resourcequota-controller",
	"root-ca-certificate-publisher-controller",
	"serviceaccount-controller",
	"serviceaccount-token-controller",
	"validatingadmissionpolicy-status-controller",
}

// writeFiles puts down everything that the components read.
func (p *plane) writeFiles() error {
	files := map[string][]byte{
		"ca.crt":     p.keys.authority,
		"server.crt": p.keys.serverCert,
		"server.key": p.keys.serverKey,
		"sa.key":     p.keys.accountKey,
		"sa.pub":     p.keys.accountPublic,
		"tokens.csv": []byte(p.keys.adminToken + ",admin,admin,\"system:masters\"\n"),
		"audit.yaml": []byte(auditPolicy),
		"kubeconfig": p.kubeconfig(),
	}
	for name, content := range files {
		if err := os.WriteFile(p.path(name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// kubeconfig is the administrator's; JSON is YAML too.
func (p *plane) kubeconfig() []byte {
	type named map[string]any
	text, err := json.MarshalIndent(map[string]any{
		"apiVersion":      "v1",
		"kind":            "Config",
		"current-context": "cluster",
		"clusters": []named{{"name": "cluster", "cluster": named{
			"server":                     p.server,
			"certificate-authority-data": base64.StdEncoding.EncodeToString(p.keys.authority),
		}}},
		"users":    []named{{"name": "admin", "user": named{"token": p.keys.adminToken}}},
		"contexts": []named{{"name": "cluster", "context": named{"cluster": "cluster", "user": "admin"}}},
	}, "", "  ")
	if err != nil {
		panic(err) // strings and maps always marshal
	}
	return append(text, '\n')
}

func (p *plane) etcd(at string, peer int) []string {
	peerAt := fmt.Sprintf("http://127.0.0.1:%d", peer)
	return []string{
		"--data-dir=" + p.path("etcd"),
		"--listen-client-urls=" + at,
		"--advertise-client-urls=" + at,
		"--listen-peer-urls=" + peerAt,
		"--initial-advertise-peer-urls=" + peerAt,
		"--initial-cluster=default=" + peerAt,
		// The data outlives a killed process, not a power cut; nobody needs more here.
		"--unsafe-no-fsync",
		"--log-level=warn",
	}
}

func (p *plane) apiserver(etcd string, port int) []string {
	args := []string{
		"--etcd-servers=" + etcd,
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(port),
		"--tls-cert-file=" + p.path("server.crt"),
		"--tls-private-key-file=" + p.path("server.key"),
		"--cert-dir=" + p.path("certs"),
		"--service-account-key-file=" + p.path("sa.pub"),
		"--service-account-signing-key-file=" + p.path("sa.key"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--api-audiences=https://kubernetes.default.svc",
		"--token-auth-file=" + p.path("tokens.csv"),
		"--authorization-mode=RBAC",
		"--service-cluster-ip-range=10.0.0.0/24",
		"--endpoint-reconciler-type=none",
	}
	if p.audit != "" {
		args = append(args, "--audit-policy-file="+p.path("audit.yaml"), "--audit-log-path="+p.audit)
	}
	return args
}

func (p *plane) controllerManager(port int) []string {
	return []string{
		"--kubeconfig=" + p.path("kubeconfig"),
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(port),
		"--tls-cert-file=" + p.path("server.crt"),
		"--tls-private-key-file=" + p.path("server.key"),
		"--cert-dir=" + p.path("certs"),
		"--root-ca-file=" + p.path("ca.crt"),
		"--service-account-private-key-file=" + p.path("sa.key"),
		"--use-service-account-credentials",
		"--leader-elect=false",
		"--controllers=" + strings.Join(controllers, ","),
		// Deleting a namespace is many small requests; the defaults pace a large cluster.
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
	}
}
