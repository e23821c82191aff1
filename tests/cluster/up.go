package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

const upUsage = `usage: cluster up [--dir DIR] [--audit FILE] [--until-stdin-closes]

Runs etcd, kube-apiserver and kube-controller-manager on free ports of 127.0.0.1.
When they are ready, one line of JSON on standard output says where:
  {"kubeconfig": PATH, "server": URL, "dir": DIR, "audit": PATH, "pids": {NAME: PID}}
SIGINT and SIGTERM end all of them. Logs and data are in DIR.

With --until-stdin-closes the end of standard input does so too, and each line
of it is a command: restart, stop or start, and a component's name. Its answer
is one line of JSON, {"done": COMMAND, "pid": PID} or {"error": TEXT}.

`

// up runs a control plane until it is told to stop. It returns the exit code.
func up(args []string) int {
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(os.Stderr, upUsage)
		flags.PrintDefaults()
	}
	dir := flags.String("dir", "", "an empty or absent `folder` for data and logs; without it a temporary one, removed at the end")
	audit := flags.String("audit", "", "the `file` to log every write request to (who, verb, object; no contents); a relative one is in DIR")
	untilStdinCloses := flags.Bool("until-stdin-closes", false, "read commands from standard input and stop at its end")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil || flags.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "cluster up takes flags only; see cluster up --help")
		return 2
	}

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	var orders input
	if *untilStdinCloses {
		orders = read(os.Stdin)
	}

	remove := func() {}
	if *dir == "" {
		made, err := os.MkdirTemp("", "cluster-")
		if err != nil {
			return fail(err)
		}
		*dir = made
		remove = func() { os.RemoveAll(made) }
	}
	defer remove()

	plane, err := newPlane(*dir, *audit)
	if err != nil {
		return fail(err)
	}
	defer plane.end()
	if err := serve(plane, signals, orders); err != nil {
		return fail(err)
	}
	return 0
}

// serve starts the components, says where they are, and obeys until the end.
// Starting runs beside the loop, so that a signal or a component that dies on
// the way is noticed at once.
func serve(plane *plane, signals <-chan os.Signal, orders input) error {
	work := make(chan answer, 1)
	go func() { work <- answer{line: plane, err: plane.start()} }()
	busy := true
	for {
		// While one command runs the next one waits in its channel.
		next := orders.lines
		if busy {
			next = nil
		}
		select {
		case <-signals:
			return nil
		case <-orders.closed:
			return nil
		case died := <-plane.died:
			return died
		case done := <-work:
			busy = false
			if done.err != nil && done.fatal() {
				return done.err
			}
			done.print()
		case command := <-next:
			busy = true
			go func() { work <- plane.obey(command) }()
		}
	}
}

// answer is what one piece of work has to say on standard output.
type answer struct {
	line any
	err  error
}

// fatal tells a control plane that never came up from a command that was refused.
func (a answer) fatal() bool {
	_, starting := a.line.(*plane)
	return starting
}

func (a answer) print() {
	line := a.line
	if a.err != nil {
		line = map[string]string{"error": a.err.Error()}
	}
	text, err := json.Marshal(line)
	if err != nil {
		text = []byte(fmt.Sprintf(`{"error": %q}`, err))
	}
	fmt.Println(string(text))
}

// obey carries out one line of standard input.
func (p *plane) obey(command string) answer {
	verb, name, _ := strings.Cut(command, " ")
	component, known := p.component(name)
	if !known {
		return answer{err: fmt.Errorf("no component %q in command %q", name, command)}
	}
	var err error
	switch verb {
	case "stop":
		component.stop()
	case "start":
		err = p.run(component)
	case "restart":
		component.stop()
		err = p.run(component)
	default:
		err = fmt.Errorf("unknown command %q", command)
	}
	return answer{line: map[string]any{"done": command, "pid": component.pid()}, err: err}
}

// input is standard input as a control plane reads it: its lines, and its end,
// which is seen even while a command runs. Neither ever comes from the zero value.
type input struct {
	lines  chan string
	closed chan struct{}
}

func read(file *os.File) input {
	in := input{lines: make(chan string, 16), closed: make(chan struct{})}
	go func() {
		defer close(in.closed)
		for scanner := bufio.NewScanner(file); scanner.Scan(); {
			if line := strings.TrimSpace(scanner.Text()); line != "" {
				in.lines <- line
			}
		}
	}()
	return in
}

func fail(err error) int {
	fmt.Fprintf(os.Stderr, "cluster up: %v\n", err)
	return 1
}

// tail is the end of a log, for people who never see the file.
func tail(path string, count int) string {
	content, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	return "  " + strings.Join(all[max(0, len(all)-count):], "\n  ")
}
