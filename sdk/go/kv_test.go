package kv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	kv "github.com/hanzokv/go/v9"
	"github.com/hanzokv/go/v9/config"
	"github.com/hanzokv/go/v9/internal/fakekms"
	"github.com/hanzokv/go/v9/kms"
	"github.com/hanzokv/go/v9/logs"
)

// bench is a server (KV_TEST_PORT, KV_TEST_PASSWORD), whose password tests change, with a KMS, in the environment of the test.
type bench struct {
	*fakekms.Server
	t              *testing.T
	admin          *kv.Client
	port, password string
	ctx            context.Context
	lines          bytes.Buffer
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, port: os.Getenv("KV_TEST_PORT"), password: os.Getenv("KV_TEST_PASSWORD"), ctx: context.Background()}
	if b.port == "" {
		t.Skip("KV_TEST_PORT names no server")
	}
	b.Server = fakekms.Start(t)
	b.admin = kv.NewClient(&kv.Options{Addr: "127.0.0.1:" + b.port, Password: b.password, PoolSize: 1})
	logs.To(&b.lines, logs.Options{Debug: true})
	t.Cleanup(func() {
		logs.To(nil, logs.Options{})
		b.admin.ConfigSet(b.ctx, "requirepass", b.password)
		_ = b.admin.Close()
		for _, secret := range []string{b.password, "client-secret", "token-1", "rotated-"} {
			if strings.Contains(b.lines.String(), secret) {
				t.Errorf("logged: %s", b.lines.String())
			}
		}
	})
	for name, value := range map[string]string{
		"KV_HOST": "127.0.0.1", "KV_PORT": b.port, "HANZO_KMS_URL": b.URL, "HANZO_KMS_CLIENT_ID": "id",
		"HANZO_KMS_CLIENT_SECRET": "client-secret",
	} {
		t.Setenv(name, value)
	}
	b.keep(b.password)
	return b
}

// keep a password in the KMS.
func (b *bench) keep(password string) {
	b.Put(map[string]interface{}{"secrets": map[string]string{"/kv/redis-password": password}})
}

// rotate changes it at the server and in the KMS, and ends all connections that still stand.
func (b *bench) rotate(password string) {
	b.t.Helper()
	b.Patch(map[string]interface{}{"secrets": map[string]string{"/kv/redis-password": password}})
	if err := b.admin.ConfigSet(b.ctx, "requirepass", password).Err(); err != nil {
		b.t.Fatal(err)
	}
	if err := b.admin.Do(b.ctx, "CLIENT", "KILL", "SKIPME", "yes").Err(); err != nil {
		b.t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond) // the ends have arrived, so go-redis writes to none of those connections
}

func (b *bench) open() kv.UniversalClient {
	b.t.Helper()
	client, err := kv.FromEnv(b.ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestURL(t *testing.T) {
	b := newBench(t)
	address := config.Address{Kind: config.TCP, Nodes: []config.Node{{Host: "127.0.0.1"}}, DB: 3, Password: b.password}
	if _, err := fmt.Sscan(b.port, &address.Nodes[0].Port); err != nil {
		t.Fatal(err)
	}
	client, err := kv.New(strings.Replace(address.URL(), "redis://", "valkey://", 1) + "?client_name=gopher")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	info, err := client.Do(b.ctx, "CLIENT", "INFO").Text()
	if err != nil || !strings.Contains(info, "db=3") || !strings.Contains(info, "name=gopher") || !strings.Contains(info, "resp=3") {
		t.Fatalf("%s, %v", info, err)
	}
	if err = client.Get(b.ctx, "no such key").Err(); !errors.Is(err, kv.Nil) {
		t.Fatal(err)
	}
}

func TestRotation(t *testing.T) {
	b := newBench(t)
	client := b.open()
	if err := client.Set(b.ctx, "go", "value", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	for _, password := range []string{"rotated-1", "rotated-2", b.password} {
		b.rotate(password)
		var group sync.WaitGroup
		for i := 0; i < 8; i++ {
			group.Add(1)
			go func() {
				defer group.Done()
				for j := 0; j < 10; j++ {
					if value, err := client.Get(b.ctx, "go").Result(); err != nil || value != "value" {
						t.Errorf("%q, %v", value, err)
					}
				}
			}()
		}
		group.Wait()
	}
	b.rotate("rotated-3")
	commands, err := client.Pipelined(b.ctx, func(p kv.Pipeliner) error {
		p.Get(b.ctx, "go")
		p.Get(b.ctx, "go")
		return nil
	})
	if err != nil || len(commands) != 2 || commands[1].(*kv.StringCmd).Val() != "value" {
		t.Fatalf("%v, %v", commands, err)
	}
	b.rotate(b.password)
	if _, err = client.TxPipelined(b.ctx, func(p kv.Pipeliner) error { return p.Incr(b.ctx, "count").Err() }); err != nil {
		t.Fatal(err)
	}
}

func TestSubscriptionAfterRotation(t *testing.T) {
	b := newBench(t)
	client := b.open()
	subscription := client.Subscribe(b.ctx, "news")
	defer subscription.Close()
	if _, err := subscription.Receive(b.ctx); err != nil {
		t.Fatal(err)
	}
	b.rotate("rotated-4")
	messages := subscription.Channel()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		b.admin.Publish(b.ctx, "news", "hello")
		select {
		case message := <-messages:
			if message.Payload != "hello" {
				t.Fatal(message)
			}
			b.rotate(b.password)
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatal("no message after the rotation")
}

func TestErrors(t *testing.T) {
	b := newBench(t)
	b.keep("not the password")
	if _, err := kv.FromEnv(b.ctx); err == nil || !strings.HasPrefix(err.Error(), "WRONGPASS") {
		t.Errorf("%v", err)
	}
	t.Setenv("HANZO_KMS_CLIENT_SECRET", "wrong")
	_, err := kv.FromEnv(b.ctx)
	var known *kms.Error
	if !errors.As(err, &known) || err.Error() != "KMS: the client id or secret was refused (401)" {
		t.Errorf("%v", err)
	}
	t.Setenv("KV_URL", "kv://:secret@host:x")
	if _, err = kv.FromEnv(b.ctx); err == nil || err.Error() != "KV_URL: the port is not a number from 1 to 65535" {
		t.Errorf("%v", err)
	}
	if _, err = kv.ParseURL("kv+cluster://a,b"); err == nil {
		t.Error("no error")
	}
	if _, err = kv.New("kv://:secret@host?no_such_option=1"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}

func TestPasswordFile(t *testing.T) {
	b := newBench(t)
	file := filepath.Join(t.TempDir(), "redis-password")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(b.password + "\n")
	t.Setenv("REDIS_PASSWORD_FILE", file)
	client := b.open()
	write("rotated-5\n")
	b.rotate("rotated-5")
	if err := client.Ping(b.ctx).Err(); err != nil {
		t.Fatal(err)
	}
	write(b.password)
	b.rotate(b.password)
	if err := client.Ping(b.ctx).Err(); err != nil {
		t.Fatal(err)
	}
	if len(b.Requests()) != 0 {
		t.Error("the KMS was asked")
	}
}

func TestOtherKinds(t *testing.T) {
	for url, want := range map[string]string{
		"kvs+cluster://a:1,b":                           "*redis.ClusterClient",
		"kv+sentinel://:p@a/2?mastername=m&pool_size=3": "*redis.Client",
		"unix:///run/kv.sock?db=1":                      "*redis.Client",
		"kvs://u:p@h":                                   "*redis.Client",
	} {
		client, err := kv.New(url)
		if err != nil || fmt.Sprintf("%T", client) != want {
			t.Errorf("%s: %T, %v", url, client, err)
			continue
		}
		if single, ok := client.(*kv.Client); ok && strings.HasPrefix(url, "kvs") && single.Options().TLSConfig.ServerName != "h" {
			t.Errorf("%s: no TLS", url)
		}
		_ = client.Close()
	}
}
