package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
)

// component is one child process: this program again, under another entry.
type component struct {
	name  string
	args  []string
	ready func(context.Context) error

	mu      sync.Mutex
	process *os.Process   // nil while it does not run
	ended   chan struct{} // closed when the process has been waited for
	asked   bool          // that it ends is our wish
}

// start runs the process. Its end, unless asked for, is reported to the plane.
func (c *component) start(p *plane) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process != nil {
		return fmt.Errorf("%s runs already", c.name)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	path := p.path(c.name + ".log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command(self, append([]string{c.name}, c.args...)...)
	command.Dir = p.dir
	command.Env = append(environment(), lifelineVariable+"=3")
	command.Stdout, command.Stderr = log, log
	command.ExtraFiles = []*os.File{p.lifeline.read}
	// A Ctrl-C at the terminal is for the supervisor alone.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	c.process, c.ended, c.asked = command.Process, ended, false
	go func() {
		err := command.Wait()
		c.mu.Lock()
		asked := c.asked
		c.process = nil
		c.mu.Unlock()
		close(ended)
		if !asked {
			select {
			case p.died <- fmt.Errorf("%s ended by itself (%v); the end of %s:\n%s", c.name, exit(err), path, tail(path, 15)):
			default: // another component died first, and that is being reported
			}
		}
	}()
	return nil
}

// stop kills the process and waits for its end. Killing is quick, and what is
// written down survives it.
func (c *component) stop() {
	c.mu.Lock()
	process, ended := c.process, c.ended
	c.asked = true
	c.mu.Unlock()
	if process == nil {
		return
	}
	_ = process.Kill() // fails only if it has ended already
	<-ended
}

// pid is 0 while the component does not run.
func (c *component) pid() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process == nil {
		return 0
	}
	return c.process.Pid
}

func exit(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// environment is ours without what would change how components connect.
func environment() []string {
	var kept []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		switch strings.ToLower(name) {
		case "http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir", "kubeconfig":
		default:
			if !strings.HasPrefix(name, "ETCD_") {
				kept = append(kept, entry)
			}
		}
	}
	return kept
}

// lifeline is a pipe whose writing end only the supervisor holds. However that
// process ends, the children read the end of file and exit.
type lifeline struct{ read, write *os.File }

const lifelineVariable = "CLUSTER_LIFELINE"

func newLifeline() (*lifeline, error) {
	read, write, err := os.Pipe()
	return &lifeline{read, write}, err
}

// holdLifeline ends a child of "up" when its supervisor is gone.
func holdLifeline() {
	if os.Getenv(lifelineVariable) != "3" {
		return
	}
	os.Unsetenv(lifelineVariable)
	syscall.CloseOnExec(3)
	go func() {
		_, _ = io.Copy(io.Discard, os.NewFile(3, "lifeline"))
		os.Exit(1)
	}()
}

// freePorts finds ports below the range from which Linux takes those of outgoing
// connections, so that a component that is restarted finds its port still free.
func freePorts(count int) ([]int, error) {
	var ports []int
	for try := 0; try < 1000 && len(ports) < count; try++ {
		port := 15000 + rand.IntN(15000)
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		// Held until all are found, so that none is found twice.
		defer listener.Close()
		ports = append(ports, port)
	}
	if len(ports) < count {
		return nil, fmt.Errorf("no free ports between 15000 and 30000 on 127.0.0.1")
	}
	return ports, nil
}
