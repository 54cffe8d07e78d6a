// Package kv is go-redis with an address and a password as Hanzo's services have them:
//
//	client, err := kv.FromEnv(ctx)
//	client, err := kv.New("kv://:password@host:6379/0")
//
// What the environment says is described in sdk/README.md. A password from the KMS, or from a file, may change while the program runs:
// a connection that the server refuses asks for the new one, and the command is sent again.
package kv

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/hanzokv/go/v9/config"
	"github.com/hanzokv/go/v9/kms"
)

// FromEnv is a client of the environment's server, which has answered PING. Errors are config's, *kms.Error and go-redis'.
func FromEnv(ctx context.Context) (UniversalClient, error) {
	client, err := New("")
	if err != nil {
		return nil, err
	}
	if err = client.Ping(ctx).Err(); err != nil {
		_ = client.Close()
		return nil, err
	}
	return client, nil
}

// New is a client of a URL, or of the environment where that is "". It connects when it is used: a *Client, or a *ClusterClient for a
// kv+cluster URL.
func New(url string) (UniversalClient, error) {
	c, err := config.FromEnv(url, nil)
	if err != nil {
		return nil, err
	}
	return NewFromConfig(c)
}

// NewFromConfig is New for a configuration that the program has changed.
func NewFromConfig(c config.Config) (UniversalClient, error) {
	options, err := optionsOf(c.Address)
	if err != nil {
		return nil, err
	}
	var rotation *rotation
	if credentials := kms.CredentialsOf(c); credentials != nil {
		rotation = newRotation(credentials)
		rotation.install(options)
	}
	var client UniversalClient
	switch c.Address.Kind {
	case config.Sentinel:
		client = newFailover(c.Address, options)
	case config.Cluster:
		client = newCluster(c.Address, options)
	default:
		client = redis.NewClient(options)
	}
	if rotation != nil {
		client.AddHook(rotation)
	}
	return client, nil
}

// ParseURL is go-redis' ParseURL for every scheme of one server.
func ParseURL(url string) (*Options, error) {
	address, err := config.ParseURL(url, "url")
	if err != nil {
		return nil, err
	}
	if address.Kind != config.TCP && address.Kind != config.Unix {
		return nil, errors.New("url: a kv+sentinel or kv+cluster URL is for New()")
	}
	return optionsOf(address)
}

// URLFromEnv is the URL for a library that takes one; the password with it where it is known without the KMS.
func URLFromEnv() (string, error) {
	c, err := config.FromEnv("", nil)
	return c.Address.URL(), err
}

// optionsOf gives go-redis the URL's query alone to read: its errors may repeat what it reads.
func optionsOf(address config.Address) (*Options, error) {
	query := config.Address{Kind: config.TCP, Nodes: []config.Node{{Host: "localhost", Port: 6379}}, Options: address.Options}
	options, err := redis.ParseURL(query.URL())
	if err != nil {
		return nil, err
	}
	options.Protocol = protocolOf(options.Protocol)
	options.Username, options.Password, options.DB = address.Username, address.Password, address.DB
	if address.Kind == config.Unix {
		options.Network, options.Addr = "unix", address.Path
	} else {
		options.Addr = addresses(address)[0]
	}
	if address.TLS {
		options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: address.Nodes[0].Host}
	}
	return options, nil
}

func protocolOf(asked int) int {
	if asked == 2 {
		return 2
	}
	return 3
}

func addresses(address config.Address) []string {
	list := make([]string, len(address.Nodes))
	for i, node := range address.Nodes {
		list[i] = net.JoinHostPort(node.Host, strconv.Itoa(node.Port))
	}
	return list
}

func newFailover(address config.Address, o *Options) *Client {
	client := redis.NewFailoverClient(&FailoverOptions{
		MasterName: address.Master, SentinelAddrs: addresses(address), TLSConfig: anyServer(o.TLSConfig), OnConnect: o.OnConnect,
		ClientName: o.ClientName, Protocol: o.Protocol, Username: o.Username, Password: o.Password, DB: o.DB,
		MaxRetries: o.MaxRetries, MinRetryBackoff: o.MinRetryBackoff, MaxRetryBackoff: o.MaxRetryBackoff,
		DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, PoolFIFO: o.PoolFIFO,
		PoolSize: o.PoolSize, PoolTimeout: o.PoolTimeout, MinIdleConns: o.MinIdleConns, MaxIdleConns: o.MaxIdleConns,
		ConnMaxIdleTime: o.ConnMaxIdleTime, ConnMaxLifetime: o.ConnMaxLifetime,
	})
	client.Options().CredentialsProviderContext = o.CredentialsProviderContext // FailoverOptions of go-redis 9.7 have none
	return client
}

func newCluster(address config.Address, o *Options) *ClusterClient {
	return redis.NewClusterClient(&ClusterOptions{
		Addrs: addresses(address), TLSConfig: anyServer(o.TLSConfig), OnConnect: o.OnConnect,
		CredentialsProviderContext: o.CredentialsProviderContext,
		ClientName:                 o.ClientName, Protocol: o.Protocol, Username: o.Username, Password: o.Password,
		MaxRetries: o.MaxRetries, MinRetryBackoff: o.MinRetryBackoff, MaxRetryBackoff: o.MaxRetryBackoff,
		DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, PoolFIFO: o.PoolFIFO,
		PoolSize: o.PoolSize, PoolTimeout: o.PoolTimeout, MinIdleConns: o.MinIdleConns, MaxIdleConns: o.MaxIdleConns,
		ConnMaxIdleTime: o.ConnMaxIdleTime, ConnMaxLifetime: o.ConnMaxLifetime,
	})
}

// anyServer takes the name away that one of several servers has: each is checked under its own.
func anyServer(c *tls.Config) *tls.Config {
	if c != nil {
		c.ServerName = ""
	}
	return c
}

// refused tells whether the server did not take a password.
func refused(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply) && (strings.HasPrefix(err.Error(), "WRONGPASS") || strings.HasPrefix(err.Error(), "NOAUTH"))
}
