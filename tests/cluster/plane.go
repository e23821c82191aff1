package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// startLimit bounds how long one component may take to become ready. Two busy
// cores need about three seconds for all of them.
const startLimit = 2 * time.Minute

// plane is one control plane: its folder, addresses and components.
type plane struct {
	dir        string
	audit      string
	server     string
	keys       *keys
	client     *http.Client
	lifeline   *lifeline
	components []*component
	died       chan error
}

// newPlane lays out the folder: keys, configuration, nothing running yet.
func newPlane(dir, audit string) (*plane, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if found, err := os.ReadDir(dir); err != nil {
		return nil, err
	} else if len(found) > 0 {
		return nil, fmt.Errorf("%s is not empty", dir)
	}
	if audit != "" && !filepath.IsAbs(audit) {
		audit = filepath.Join(dir, audit)
	}
	ports, err := freePorts(4)
	if err != nil {
		return nil, err
	}
	etcd, peer, api, controllers := ports[0], ports[1], ports[2], ports[3]
	p := &plane{dir: dir, audit: audit, server: fmt.Sprintf("https://127.0.0.1:%d", api), died: make(chan error, 1)}
	if p.keys, err = makeKeys(); err != nil {
		return nil, err
	}
	if err := p.writeFiles(); err != nil {
		return nil, err
	}
	if p.lifeline, err = newLifeline(); err != nil {
		return nil, err
	}
	p.client = trusting(p.keys.authority)
	etcdAt := fmt.Sprintf("http://127.0.0.1:%d", etcd)
	p.components = []*component{
		{name: "etcd", args: p.etcd(etcdAt, peer), ready: p.answers(etcdAt + "/health")},
		{name: "kube-apiserver", args: p.apiserver(etcdAt, api), ready: p.answers(p.server + "/readyz")},
		{name: "kube-controller-manager", args: p.controllerManager(controllers), ready: p.answers(fmt.Sprintf("https://127.0.0.1:%d/healthz", controllers))},
	}
	return p, nil
}

// start brings the components up in order and waits for what a fresh cluster has.
func (p *plane) start() error {
	for _, component := range p.components {
		if err := p.run(component); err != nil {
			return err
		}
	}
	// These two appear once the namespace's own controllers work.
	for _, path := range []string{"/serviceaccounts/default", "/configmaps/kube-root-ca.crt"} {
		if err := p.wait("the namespace controllers", p.answers(p.server+"/api/v1/namespaces/default"+path)); err != nil {
			return err
		}
	}
	return nil
}

// run starts one component and waits until it is ready, and with it the API.
func (p *plane) run(c *component) error {
	if err := c.start(p); err != nil {
		return err
	}
	if err := p.wait(c.name, c.ready); err != nil {
		return err
	}
	if c.name == "etcd" && p.components[1].pid() != 0 {
		return p.wait("kube-apiserver", p.components[1].ready)
	}
	return nil
}

func (p *plane) wait(what string, ready func(context.Context) error) error {
	limit, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	for {
		err := ready(limit)
		if err == nil {
			return nil
		}
		select {
		case <-limit.Done():
			return fmt.Errorf("%s is not ready after %s: %w; logs are in %s", what, startLimit, err, p.dir)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// answers asks one address, as the administrator where the server knows one.
func (p *plane) answers(url string) func(context.Context) error {
	return func(limit context.Context) error {
		request, err := http.NewRequestWithContext(limit, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+p.keys.adminToken)
		response, err := p.client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return errors.New(url + " answers " + response.Status)
		}
		return nil
	}
}

func (p *plane) component(name string) (*component, bool) {
	for _, c := range p.components {
		if c.name == name {
			return c, true
		}
	}
	return nil, false
}

// end stops everything, the ones that write first.
func (p *plane) end() {
	for i := len(p.components) - 1; i >= 0; i-- {
		p.components[i].stop()
	}
}

func (p *plane) path(name string) string { return filepath.Join(p.dir, name) }

// MarshalJSON is the line that says where the control plane is.
func (p *plane) MarshalJSON() ([]byte, error) {
	pids := map[string]int{}
	for _, c := range p.components {
		pids[c.name] = c.pid()
	}
	return json.Marshal(map[string]any{
		"kubeconfig": p.path("kubeconfig"), "server": p.server, "dir": p.dir, "audit": p.audit, "pids": pids,
	})
}

func trusting(authority []byte) *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	return &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			// A connection must not outlive the server it was made to.
			DisableKeepAlives: true,
			Proxy:             nil,
			TLSClientConfig:   &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		},
	}
}
