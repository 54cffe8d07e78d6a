package kv

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/hanzokv/go/v9/kms"
	"github.com/hanzokv/go/v9/logs"
)

// rotation is a hook of go-redis: a command whose connection is refused asks the credentials for another password and goes out again.
// Subscriptions connect without hooks; so a password that was handed out to one, and whose connection never stood, is asked for again
// when the next one is opened.
type rotation struct {
	credentials *kms.Credentials
	pending     int32 // passwords handed out to subscriptions since the last connection that stood
}

// handed is the key, in a command's context, of the password that its connection was opened with.
type handed struct{}

func newRotation(credentials *kms.Credentials) *rotation { return &rotation{credentials: credentials} }

func (r *rotation) install(o *Options) {
	o.Username, o.Password = "", ""
	o.CredentialsProviderContext = r.provide
	o.OnConnect = func(context.Context, *redis.Conn) error {
		atomic.StoreInt32(&r.pending, 0)
		return nil
	}
}

func (r *rotation) provide(ctx context.Context) (username, password string, err error) {
	used, hooked := ctx.Value(handed{}).(*string)
	if !hooked && atomic.AddInt32(&r.pending, 1) > 1 {
		if _, err = r.credentials.Refused(ctx, r.credentials.Known()); err != nil {
			return "", "", err
		}
	}
	if username, password, err = r.credentials.Get(ctx); hooked {
		*used = password // a command has its own connection, so nobody else writes here
	}
	return username, password, err
}

// again tells whether what failed with err should be tried once more.
func (r *rotation) again(ctx context.Context, err error, used string) (bool, error) {
	if !refused(err) {
		return false, nil
	}
	if used == "" {
		used = r.credentials.Known()
	}
	return r.credentials.Refused(ctx, used)
}

func (r *rotation) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		start := time.Now()
		connection, err := next(ctx, network, address)
		if err == nil {
			logs.Write(ctx, "info", "connected", logs.Fields{Latency: logs.Since(start)})
		}
		return connection, err
	}
}

func (r *rotation) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command Cmder) error {
		var used string
		ctx = context.WithValue(ctx, handed{}, &used)
		err := next(ctx, command)
		another, problem := r.again(ctx, err, used)
		if problem != nil {
			command.SetErr(problem)
			return problem
		}
		if !another {
			return err
		}
		command.SetErr(nil)
		return next(ctx, command)
	}
}

func (r *rotation) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []Cmder) error {
		var used string
		ctx = context.WithValue(ctx, handed{}, &used)
		err := next(ctx, commands)
		if used == "" { // its connection stood before: a refusal is the answer to a command, and others have run
			return err
		}
		another, problem := r.again(ctx, err, used)
		if problem == nil && !another {
			return err
		}
		for _, command := range commands {
			command.SetErr(problem)
		}
		if problem != nil {
			return problem
		}
		return next(ctx, commands)
	}
}
