package kms

import (
	"context"
	"sync"
	"time"

	"github.com/hanzokv/go/v9/config"
	"github.com/hanzokv/go/v9/logs"
)

const lookAgain = time.Second // a password that the source still has although it was refused is not asked for more often

// Credentials keep a password until the server refuses it, and only then ask their source again: so a rotation needs no restart, and
// the KMS is asked once a rotation, not once a connection. Goroutines and clients may share them.
type Credentials struct {
	Username string
	Now      func() time.Time // the clock

	fetch    func(ctx context.Context) (string, error)
	lock     sync.Mutex
	password string
	looked   time.Time // when the source gave again what had been refused
}

// NewCredentials ask fetch when the first connection is made.
func NewCredentials(username string, fetch func(ctx context.Context) (string, error)) *Credentials {
	return &Credentials{Username: username, Now: time.Now, fetch: fetch}
}

// CredentialsOf are nil where the password is one that does not change, or there is none.
func CredentialsOf(c config.Config) *Credentials {
	if c.KMS != nil {
		return NewCredentials(c.Address.Username, New(*c.KMS).Password)
	}
	if c.PasswordFile == "" {
		return nil
	}
	return NewCredentials(c.Address.Username, func(context.Context) (string, error) {
		return config.ReadSecret(c.PasswordFile, "password file")
	})
}

// String shows no password.
func (c *Credentials) String() string { return "credentials of " + c.Username }

// GoString is String.
func (c *Credentials) GoString() string { return c.String() }

// Get is what go-redis' CredentialsProviderContext wants.
func (c *Credentials) Get(ctx context.Context) (username, password string, err error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.password == "" {
		if c.password, err = c.fetch(ctx); err != nil {
			return "", "", err
		}
	}
	return c.Username, c.password, nil
}

// Refused says that the server did not take this password, and tells whether there is another one now.
func (c *Credentials) Refused(ctx context.Context, password string) (bool, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if password != c.password {
		return true, nil // another connection has looked already
	}
	if !c.looked.IsZero() && c.Now().Sub(c.looked) < lookAgain {
		return false, nil
	}
	fresh, err := c.fetch(ctx)
	if err != nil {
		return false, err
	}
	c.password, c.looked = fresh, time.Time{}
	if fresh == password {
		c.looked = c.Now()
		logs.Write(ctx, "warn", "password refused", logs.Fields{Reason: "no other one is known"})
		return false, nil
	}
	logs.Write(ctx, "warn", "password refused", logs.Fields{Reason: "another one is known now"})
	return true, nil
}

// Known is the password that Get gave last, "" before that: what a server has refused.
func (c *Credentials) Known() string {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.password
}
