package config_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hanzokv/go/v9/config"
	"github.com/hanzokv/go/v9/internal/fakekms"
)

// expected is what a case says, with the table's default for what it leaves out.
type expected struct {
	Kind, Path, Master, Username, Password string
	TLS                                    bool
	Nodes                                  [][]interface{}
	DB                                     int
	Options                                map[string]string
	PasswordFile                           string `json:"password_file"`
	KMS                                    *struct{ URL, Org, Project, Environment, Path, Name string }
	URL                                    string
}

func (e expected) config() config.Config {
	nodes := []config.Node(nil)
	for _, node := range e.Nodes {
		nodes = append(nodes, config.Node{Host: node[0].(string), Port: int(node[1].(float64))})
	}
	c := config.Config{PasswordFile: e.PasswordFile, Address: config.Address{
		Kind: e.Kind, TLS: e.TLS, Nodes: nodes, Path: e.Path, Master: e.Master, DB: e.DB, Username: e.Username,
		Password: e.Password, Options: e.Options,
	}}
	if k := e.KMS; k != nil {
		c.KMS = &config.KMS{URL: k.URL, Org: k.Org, Project: k.Project, Environment: k.Environment, Path: k.Path, Name: k.Name}
	}
	return c
}

func TestResolve(t *testing.T) {
	table := fakekms.Cases(t)
	for _, each := range table.Resolve {
		each := each
		t.Run(each.Name, func(t *testing.T) {
			folder := t.TempDir()
			for name, content := range each.Files {
				if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			env := func(name string) string { return strings.ReplaceAll(each.Env[name], "$FILES", folder) }
			got, err := config.FromEnv(each.URL, env)
			if each.Error != "" {
				if err == nil || err.Error() != each.Error {
					t.Fatalf("error %v, not %s", err, each.Error)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			compare(t, got, table.Default, each.Expect, folder)
		})
	}
}

func compare(t *testing.T, got config.Config, start, expect json.RawMessage, folder string) {
	t.Helper()
	var want expected
	for _, text := range []json.RawMessage{start, expect} {
		if strings.Contains(string(text), `"nodes"`) {
			want.Nodes = nil
		}
		if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), "$FILES", folder)), &want); err != nil {
			t.Fatal(err)
		}
	}
	if want.URL != "" && got.Address.URL() != want.URL {
		t.Errorf("URL %s, not %s", got.Address.URL(), want.URL)
	}
	shown := fmt.Sprintf("%v %+v %#v", got, got, got.KMS)
	if len(got.Address.Password) > 2 && strings.Contains(shown, got.Address.Password) {
		t.Errorf("the password is shown: %s", shown)
	}
	got.Source = ""
	if got.KMS != nil {
		got.KMS.ClientID, got.KMS.ClientSecret, got.KMS.Token = "", "", ""
	}
	if len(got.Address.Options) == 0 {
		got.Address.Options = map[string]string{}
	}
	if !reflect.DeepEqual(got, want.config()) {
		t.Errorf("%+v, not %+v", got, want.config())
	}
}
