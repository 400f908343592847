// The child of k0s: detached, found again by its file of a process id, and started again five seconds after its end.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	mark    = "_K0S_MANAGED=yes"
	respawn = 5 * time.Second
	patient = 5 * time.Second
)

type supervised struct {
	host    k0sHost
	argv    []string
	process atomic.Pointer[os.Process]
}

func (child *supervised) pidFile() string { return filepath.Join(child.host.run, "containerd.pid") }

func (child *supervised) supervise(watch func(context.Context, func()) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	child.endFormer()
	go func() {
		if err := watch(ctx, child.changed); err != nil {
			fail(err)
		}
	}()
	for {
		if err := child.run(ctx); err != nil {
			return err
		}
		info("respawning in %s", respawn)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(respawn):
		}
	}
}

// run starts containerd and returns when it has ended.
func (child *supervised) run(ctx context.Context) error {
	cmd := exec.Command(child.argv[0], child.argv[1:]...)
	cmd.Dir = child.host.data
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append([]string{mark}, os.Environ()...)
	cmd.Env = append(cmd.Env, fmt.Sprintf("PATH=%s:%s", filepath.Join(child.host.data, "bin"), os.Getenv("PATH")))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	child.process.Store(cmd.Process)
	if err := os.WriteFile(child.pidFile(), []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o644); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		fmt.Fprintf(os.Stderr, "level=error msg=%q\n", fmt.Sprintf("Process terminated unexpectedly: %v", err))
	case <-ctx.Done():
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(patient):
		}
	}
	os.Remove(child.pidFile())
	return nil
}

// changed: containerd reads drop-ins when it starts, and ends on this signal.
func (child *supervised) changed() {
	info("restart requested")
	if child.host.merges {
		if err := child.host.write(); err != nil {
			fmt.Fprintf(os.Stderr, "level=warning msg=%q\n", "failed to resolve config: "+err.Error())
			return
		}
	}
	if err := child.process.Load().Signal(syscall.SIGHUP); err != nil {
		fmt.Fprintf(os.Stderr, "level=error msg=%q\n", "failed to send SIGHUP: "+err.Error())
	}
}

// endFormer ends a containerd that an earlier k0s left, which systemd does not kill with it.
func (child *supervised) endFormer() {
	text, err := os.ReadFile(child.pidFile())
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		fail(err)
	}
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || !strings.Contains(string(environment), mark) {
		return
	}
	info("ending containerd %d, which an earlier k0s left", pid)
	syscall.Kill(pid, syscall.SIGTERM)
	for until := time.Now().Add(patient); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if syscall.Kill(pid, 0) != nil {
			return
		}
	}
}
