package main

import (
	"context"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// The part of https://github.com/kubernetes/dns/blob/master/docs/specification.md
// that Pods here ask for: the addresses of Services that have one. Nothing is
// forwarded, so that no test depends on what lies outside.
const domain = ".svc.cluster.local."

// ttl is short because Services come and go within a test.
const ttl = 1

// serveNames answers until reading from the socket fails.
func serveNames(kubeconfig, address string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	services := factory.Core().V1().Services().Lister()
	factory.Start(context.Background().Done())
	factory.WaitForCacheSync(context.Background().Done())

	socket, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	buffer := make([]byte, 1500)
	for {
		length, from, err := socket.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if reply, err := answer(services, buffer[:length]); err == nil {
			_, _ = socket.WriteTo(reply, from) // who asked asks again
		}
	}
}

// answer is the reply to one message; what is no question gets none.
func answer(services listers.ServiceLister, message []byte) ([]byte, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(message)
	if err != nil {
		return nil, err
	}
	question, err := parser.Question()
	if err != nil {
		return nil, err
	}
	address, known := resolve(services, question.Name.String())
	header.Response, header.Authoritative = true, true
	header.RecursionAvailable = false
	header.RCode = dnsmessage.RCodeSuccess
	if !known {
		header.RCode = dnsmessage.RCodeNameError
	}
	builder := dnsmessage.NewBuilder(nil, header)
	if err := builder.StartQuestions(); err != nil {
		return nil, err
	}
	if err := builder.Question(question); err != nil {
		return nil, err
	}
	if err := builder.StartAnswers(); err != nil {
		return nil, err
	}
	// For AAAA the name exists and has no address.
	if known && question.Type == dnsmessage.TypeA {
		resource := dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: ttl}
		if err := builder.AResource(resource, dnsmessage.AResource{A: address.As4()}); err != nil {
			return nil, err
		}
	}
	return builder.Finish()
}

// resolve finds the address of NAME.NAMESPACE.svc.cluster.local.
func resolve(services listers.ServiceLister, name string) (netip.Addr, bool) {
	prefix, found := strings.CutSuffix(strings.ToLower(name), domain)
	if !found {
		return netip.Addr{}, false
	}
	service, namespace, found := strings.Cut(prefix, ".")
	if !found {
		return netip.Addr{}, false
	}
	all, err := services.Services(namespace).List(labels.Everything())
	if err != nil {
		return netip.Addr{}, false
	}
	for _, one := range all {
		if one.Name == service {
			address, err := netip.ParseAddr(one.Spec.ClusterIP)
			return address, err == nil && address.Is4()
		}
	}
	return netip.Addr{}, false
}
