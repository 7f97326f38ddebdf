// Package azurite starts Azurite, the storage emulator, for the tests and for the sandbox: its blob
// service, or all its services, on loopback ports, from the version that tools/azurite pins. The
// Makefile installs it.
//
// Azurite supports neither Event Grid (see package eventgrid) nor Data Lake Gen2.
package azurite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// Account is the only storage account.
	Account = "devstoreaccount1"
	// AccountKey is the key of Account. It is public, and the same in every Azurite.
	AccountKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

	startTimeout = 60 * time.Second
	stopTimeout  = 5 * time.Second

	nodeMissing = "node is not on PATH: install Node.js 20"
	host        = "127.0.0.1"
	blobEntry   = "node_modules/azurite/dist/src/blob/main.js"
	allEntry    = "node_modules/azurite/dist/src/azurite.js"

	blobService, queueService, tableService = "Blob", "Queue", "Table"
)

// listens matches the line that Azurite prints when a service accepts connections. The two entry
// points word it differently.
var listens = regexp.MustCompile(
	`Azurite (\w+) service (?:successfully listens on|is successfully listening at) http://(\S+)`)

// wrapper runs the entry point and terminates it when its standard input ends. Azurite therefore
// never outlives the process that started it, even if that process is killed.
const wrapper = `process.stdin.on("end", () => process.kill(process.pid, "SIGTERM")).resume(); require(process.argv[1])`

// Options configures Start.
type Options struct {
	// Tools is the folder with node_modules: tools/azurite of the project.
	Tools string
	// Dir holds the data, and is created if missing. If empty, the data is in memory.
	Dir string
	// BlobPort is the port on 127.0.0.1; 0 means any free port.
	BlobPort int
	// Queues also starts the queue and table services, which the Functions host needs for its own
	// storage.
	Queues bool
	// QueuePort and TablePort work as BlobPort.
	QueuePort, TablePort int
	// Log receives the output of Azurite; it may be nil.
	Log *slog.Logger
}

// Server is a running Azurite.
type Server struct {
	cmd   *exec.Cmd
	stdin io.Closer
	addrs map[string]string // host and port of each service
	done  chan struct{}     // closed when the process has ended and is reaped
	err   error             // how it ended; read after done
	stop  sync.Once
}

// Start runs Azurite and returns when it accepts connections. It runs until Stop, or until this
// process ends; ctx bounds only the start.
func Start(ctx context.Context, o Options) (*Server, error) {
	cmd, err := command(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("start azurite: %w", err)
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start azurite: %w", err)
	}
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	out := &output{log: log, ready: make(chan map[string]string, 1), last: blobService}
	if o.Queues {
		out.last = tableService // it starts after the others
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start azurite: %w", err)
	}
	s := &Server{cmd: cmd, stdin: stdin, done: make(chan struct{})}
	go func() {
		s.err = cmd.Wait()
		close(s.done)
	}()
	limit := time.NewTimer(startTimeout)
	defer limit.Stop()
	select {
	case s.addrs = <-out.ready:
		log.Debug("azurite listens", slog.String("addr", s.Addr()))
		return s, nil
	case <-s.done:
		return nil, fmt.Errorf("start azurite: it ended (%w): %s", s.ended(), out.tail())
	case <-limit.C:
		err = fmt.Errorf("it does not listen after %v: %s", startTimeout, out.tail())
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	s.Stop()
	return nil, fmt.Errorf("start azurite: %w", err)
}

// command checks the options, reports all faults, and builds the command.
func command(ctx context.Context, o Options) (*exec.Cmd, error) {
	var faults []error
	node, err := exec.LookPath("node")
	if err != nil {
		faults = append(faults, errors.New(nodeMissing))
	}
	entry := blobEntry
	if o.Queues {
		entry = allEntry
	}
	entry, err = filepath.Abs(filepath.Join(o.Tools, entry))
	if err != nil {
		faults = append(faults, err)
	} else if _, err := os.Stat(entry); err != nil {
		faults = append(faults,
			fmt.Errorf("azurite is not installed in %s: run npm ci --prefix %s", o.Tools, o.Tools))
	}
	for _, port := range []int{o.BlobPort, o.QueuePort, o.TablePort} {
		if err := portFree(ctx, port); err != nil {
			faults = append(faults, err)
		}
	}
	args := []string{
		"-e", wrapper, entry,
		"--silent", "--disableTelemetry",
		"--skipApiVersionCheck", // azblob uses a newer API version than 3.35.0 knows
		"--blobHost", host, "--blobPort", strconv.Itoa(o.BlobPort),
	}
	if o.Queues {
		args = append(args, "--queueHost", host, "--queuePort", strconv.Itoa(o.QueuePort),
			"--tableHost", host, "--tablePort", strconv.Itoa(o.TablePort))
	}
	if o.Dir == "" {
		args = append(args, "--inMemoryPersistence")
	} else {
		dir, err := filepath.Abs(o.Dir)
		if err == nil {
			err = os.MkdirAll(dir, 0o750)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("make the data folder: %w", err))
		}
		args = append(args, "--location", dir)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), node, args...) //nolint:gosec // node from PATH, arguments of our own
	// Its own process group: a Ctrl-C at the terminal stops us, and we stop Azurite when nothing
	// needs it any longer.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = stopTimeout
	return cmd, nil
}

// portFree returns an error that names a port in use. Azurite's own message has no remedy.
func portFree(ctx context.Context, port int) error {
	if port == 0 {
		return nil
	}
	addr := net.JoinHostPort(host, strconv.Itoa(port))
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err == nil {
		return ln.Close()
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("port %d is in use: stop what listens on %s, or choose another port",
			port, addr)
	}
	return fmt.Errorf("listen on %s: %w", addr, err)
}

// Addr returns host and port of the blob service.
func (s *Server) Addr() string { return s.addrs[blobService] }

// Endpoint returns the URL of the blob service of Account, without a slash at its end.
func (s *Server) Endpoint() string { return s.endpoint(blobService) }

func (s *Server) endpoint(service string) string {
	return "http://" + s.addrs[service] + "/" + Account
}

// ConnectionString returns the string for azblob's NewClientFromConnectionString. It names the
// running services.
func (s *Server) ConnectionString() string {
	text := "DefaultEndpointsProtocol=http;AccountName=" + Account + ";AccountKey=" + AccountKey +
		";"
	for _, service := range []string{blobService, queueService, tableService} {
		if s.addrs[service] != "" {
			text += service + "Endpoint=" + s.endpoint(service) + ";"
		}
	}
	return text
}

// Done returns a channel that is closed when Azurite has ended, for any reason.
func (s *Server) Done() <-chan struct{} { return s.done }

// Stop ends Azurite and returns when the process has ended. It first asks Azurite to terminate,
// because Azurite keeps listings in memory for some seconds; Stop may be called twice.
func (s *Server) Stop() {
	s.stop.Do(func() {
		_ = s.stdin.Close() // the wrapper turns it into a SIGTERM
		limit := time.NewTimer(stopTimeout)
		defer limit.Stop()
		select {
		case <-s.done:
		case <-limit.C:
		}
		// Kill the rest of the group; an error means that none is left.
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	})
	<-s.done
}

func (s *Server) ended() error {
	if s.err == nil {
		return errors.New("exit status 0")
	}
	return s.err
}

// output reads the output of Azurite: the addresses once, the last lines for an error, everything
// for the log.
type output struct {
	log   *slog.Logger
	last  string                 // the service that starts after all others
	ready chan map[string]string // receives the addresses after the start

	mu    sync.Mutex
	part  string
	addrs map[string]string
	lines []string
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	sc := bufio.NewReader(io.MultiReader(strings.NewReader(o.part), strings.NewReader(string(b))))
	for {
		line, err := sc.ReadString('\n')
		if err != nil {
			o.part = line[:min(len(line), 4096)]
			return len(b), nil
		}
		o.line(strings.TrimSpace(line))
	}
}

func (o *output) line(line string) {
	if line == "" {
		return
	}
	o.log.Debug("azurite", slog.String("line", line))
	if len(o.lines) == 10 {
		o.lines = o.lines[1:]
	}
	o.lines = append(o.lines, line)
	found := listens.FindStringSubmatch(line)
	if found == nil {
		return
	}
	if o.addrs == nil {
		o.addrs = map[string]string{}
	}
	o.addrs[found[1]] = found[2]
	if found[1] == o.last {
		select {
		case o.ready <- maps.Clone(o.addrs):
		default:
		}
	}
}

func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.lines) == 0 {
		return "it printed nothing"
	}
	return strings.Join(o.lines, "; ")
}
