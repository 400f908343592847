// containerd as a child process, and what systemd is told of it.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// untilItEnds runs containerd as k3s does: it is killed with its parent, and when it ends by itself, all of k3s does, too.
func untilItEnds(config string, values node) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log, err := os.OpenFile(filepath.Join(values.Root, "containerd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	argv := []string{"containerd", "-c", config}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	for _, one := range os.Environ() {
		if !strings.HasPrefix(one, "NOTIFY_SOCKET=") {
			cmd.Env = append(cmd.Env, strings.TrimPrefix(one, "CONTAINERD_"))
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	info("Running %s", strings.Join(argv, " "))
	// The kernel sends that signal when the thread ends that started the child.
	runtime.LockOSThread()
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		waitFor(ctx, values.Address)
		info("Containerd is now running")
		notify("READY=1")
	}()
	err = cmd.Wait()
	if ctx.Err() == nil {
		// Its exit status is 0: of a start that failed, systemd says `protocol`.
		fmt.Fprintf(os.Stderr, "level=error msg=%q\n", fmt.Sprintf("Shutdown request received: containerd exited: %v", err))
	}
	return nil
}

func waitFor(ctx context.Context, address string) {
	for ctx.Err() == nil {
		connection, err := net.Dial("unix", address)
		if err == nil {
			connection.Close()
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func notify(state string) {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return
	}
	connection, err := net.Dial("unixgram", socket)
	if err != nil {
		fail(err)
	}
	defer connection.Close()
	if _, err := connection.Write([]byte(state)); err != nil {
		fail(err)
	}
}
