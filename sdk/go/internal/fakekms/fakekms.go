// Package fakekms starts sdk/fake_kms.py for tests, and reads sdk/cases.json.
package fakekms

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Step of a case with the KMS: what changes, then what is asked and answered.
type Step struct {
	State    map[string]interface{}
	Seconds  float64
	Password string
	Error    string
	Refused  string
	Another  bool
}

// Case of the table.
type Case struct {
	Name, URL, Error string
	Env, Files       map[string]string
	Expect           json.RawMessage
	State            map[string]interface{}
	Steps            []Step
	Requests         []string
}

// Table is sdk/cases.json.
type Table struct {
	Default                   json.RawMessage
	Resolve, KMS, Credentials []Case
}

func folder() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}

// Cases reads the table.
func Cases(t testing.TB) (table Table) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder(), "cases.json"))
	if err == nil {
		err = json.Unmarshal(content, &table)
	}
	if err != nil || len(table.Resolve) == 0 || len(table.KMS) == 0 || len(table.Credentials) == 0 {
		t.Fatalf("cases.json: %v", err)
	}
	return table
}

// Server is a KMS of the test's own; it ends with the test.
type Server struct {
	URL string
	t   testing.TB
}

// Start one. A machine without Python skips the test.
func Start(t testing.TB) *Server {
	t.Helper()
	python := os.Getenv("PYTHON")
	if python == "" {
		python = "python3"
	}
	if _, err := exec.LookPath(python); err != nil {
		t.Skip("python3, which runs the fake KMS, is not installed")
	}
	command := exec.Command(python, filepath.Join(folder(), "fake_kms.py"))
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err = command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = command.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return &Server{strings.TrimSpace(line), t}
}

// Put sets its state, and forgets the requests.
func (s *Server) Put(state map[string]interface{}) { s.send(http.MethodPut, state) }

// Patch changes its state.
func (s *Server) Patch(state map[string]interface{}) { s.send(http.MethodPatch, state) }

func (s *Server) send(method string, state map[string]interface{}) {
	s.t.Helper()
	if state == nil {
		state = map[string]interface{}{}
	}
	body, err := json.Marshal(state)
	if err != nil {
		s.t.Fatal(err)
	}
	request, err := http.NewRequest(method, s.URL+"/_state", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = response.Body.Close()
}

// Requests that it has seen.
func (s *Server) Requests() (lines []string) {
	s.t.Helper()
	response, err := http.Get(s.URL + "/_requests")
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	if err = json.NewDecoder(response.Body).Decode(&lines); err != nil {
		s.t.Fatal(err)
	}
	return lines
}
