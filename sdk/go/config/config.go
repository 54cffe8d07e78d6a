package config

import (
	"errors"
	"net/url"
	"os"
	"strings"
	"unicode/utf8"
)

var (
	urlNames      = []string{"KV_URL", "HANZO_KV_URL", "REDIS_URL"}
	passwordNames = []string{"KV_PASSWORD", "HANZO_KV_PASSWORD", "REDIS_PASSWORD"}
	booleans      = map[string]bool{
		"1": true, "true": true, "yes": true, "on": true, "0": false, "false": false, "no": false, "off": false,
	}
)

// KMS says where the password is kept: the secret Name at Path, of Environment in Project of Org. Printing it shows no credentials.
type KMS struct {
	URL, Org, Project, Environment, Path, Name string
	ClientID, ClientSecret, Token              string
}

// String shows the place alone.
func (k KMS) String() string {
	return k.URL + " " + strings.Join([]string{k.Org, k.Project, k.Environment, k.Path, k.Name}, " ")
}

// GoString is String.
func (k KMS) GoString() string { return k.String() }

// Config is what is known before anything is connected.
type Config struct {
	Address      Address
	PasswordFile string // the file that the password was read from, and is read from again
	KMS          *KMS   // set where the password is to be had there
	Source       string // the variable that the URL came from, "url" for the argument, "" for parts
}

// Lookup gives the value of a variable, "" where it is not set: os.Getenv.
type Lookup func(name string) string

// FromEnv reads the environment, or text where the program itself names the server. env may be nil.
func FromEnv(text string, env Lookup) (c Config, err error) {
	if env == nil {
		env = os.Getenv
	}
	if text != "" {
		c.Source = "url"
		c.Address, err = ParseURL(text, c.Source)
		return c, err
	}
	if c.Source = urlSource(env); c.Source == "" {
		c.Address, err = addressOfParts(env)
	} else if c.Address, err = ParseURL(env(c.Source), c.Source); err == nil && !saysDB(env(c.Source)) {
		c.Address.DB, err = dbOf(env)
	}
	if err != nil {
		return Config{}, err
	}
	if c.Address.Username == "" && c.Address.Password == "" {
		c.Address.Username, _ = first(env, "KV_USERNAME", "REDIS_USERNAME")
	}
	if c.Address.Password != "" {
		return c, nil
	}
	if c.Address.Password, c.PasswordFile, err = secret(env, passwordNames...); err == nil && c.Address.Password == "" {
		c.KMS, err = KMSFromEnv(env)
	}
	return c, err
}

// KMSFromEnv is nil where the environment has no credentials of a KMS.
func KMSFromEnv(env Lookup) (*KMS, error) {
	var k KMS
	for value, names := range map[*string][]string{
		&k.Token:        {"HANZO_KMS_TOKEN", "KMS_TOKEN"},
		&k.ClientID:     {"HANZO_KMS_CLIENT_ID", "KMS_CLIENT_ID"},
		&k.ClientSecret: {"HANZO_KMS_CLIENT_SECRET", "KMS_CLIENT_SECRET"},
	} {
		var err error
		if *value, _, err = secret(env, names...); err != nil {
			return nil, err
		}
	}
	if k.ClientID != "" && k.ClientSecret == "" {
		return nil, errors.New("HANZO_KMS_CLIENT_SECRET: not set, but HANZO_KMS_CLIENT_ID is")
	}
	if k.ClientID == "" && k.ClientSecret != "" {
		return nil, errors.New("HANZO_KMS_CLIENT_ID: not set, but HANZO_KMS_CLIENT_SECRET is")
	}
	if k.Token == "" && k.ClientID == "" {
		return nil, nil
	}
	k.URL = strings.TrimRight(strings.TrimSpace(or(env("HANZO_KMS_URL"), "https://kms.hanzo.ai")), "/")
	k.Org = or(env("HANZO_KMS_ORG"), "hanzo")
	k.Project = or(env("HANZO_KMS_PROJECT"), k.Org)
	k.Environment = or(env("HANZO_KMS_ENV"), "prod")
	k.Path = or(env("HANZO_KMS_PATH"), "/kv")
	k.Name = or(env("HANZO_KMS_SECRET"), "redis-password")
	place, err := url.Parse(k.URL)
	if err != nil || place.Scheme != "http" && place.Scheme != "https" || place.Hostname() == "" || place.User != nil {
		return nil, errors.New("HANZO_KMS_URL: not an http:// or https:// URL without a user")
	}
	return &k, nil
}

// ReadSecret is a file's content without the line end that editors add. Errors begin with source.
func ReadSecret(path, source string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil || !utf8.Valid(content) {
		return "", errors.New(source + ": the file cannot be read")
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if text == "" {
		return "", errors.New(source + ": the file is empty")
	}
	return text, nil
}

// urlSource is the variable that has the URL. An http:// HANZO_KV_URL is the address of another service.
func urlSource(env Lookup) string {
	for _, name := range urlNames {
		value := strings.ToLower(strings.TrimSpace(env(name)))
		web := strings.HasPrefix(value, "http://") || strings.HasPrefix(value, "https://")
		if value != "" && !(name == "HANZO_KV_URL" && web) {
			return name
		}
	}
	return ""
}

func addressOfParts(env Lookup) (a Address, err error) {
	node := Node{"localhost", defaultPort}
	// Kubernetes sets KV_PORT=tcp://10.0.0.1:6379 for a Service named kv, REDIS_PORT for one named redis: these are no ports
	if port, name := first(withoutURLs(env), "KV_PORT", "REDIS_PORT"); port != "" {
		if node.Port, err = parsePort(port, name); err != nil {
			return a, err
		}
	}
	if env("KUBERNETES_SERVICE_HOST") != "" {
		node.Host = "redis-master"
	}
	if host, _ := first(env, "KV_HOST", "REDIS_HOST"); host != "" {
		node.Host = host
	}
	if place := env("HANZO_KV_ADDR"); place != "" {
		if node, err = parseNode(place, node.Port, "HANZO_KV_ADDR"); err != nil {
			return a, err
		}
	}
	a = Address{Kind: TCP, Nodes: []Node{node}}
	if value, name := first(env, "KV_TLS", "REDIS_TLS"); value != "" {
		tls, known := booleans[strings.ToLower(value)]
		if !known {
			return a, errors.New(name + ": neither true nor false")
		}
		a.TLS = tls
	}
	a.DB, err = dbOf(env)
	return a, err
}

func withoutURLs(env Lookup) Lookup {
	return func(name string) string {
		if value := env(name); !strings.Contains(value, "://") {
			return value
		}
		return ""
	}
}

func dbOf(env Lookup) (int, error) {
	if value, name := first(env, "KV_DB", "REDIS_DB"); value != "" {
		return parseDB(value, name)
	}
	return 0, nil
}

// first is the value and the name of the first variable that is set.
func first(env Lookup, names ...string) (value, name string) {
	for _, name := range names {
		if value := env(name); value != "" {
			return value, name
		}
	}
	return "", ""
}

// secret is the value, and the file that it came from, of the first of these variables or of its _FILE form.
func secret(env Lookup, names ...string) (value, file string, err error) {
	for _, name := range names {
		if value := env(name); value != "" {
			return value, "", nil
		}
		if file := env(name + "_FILE"); file != "" {
			value, err := ReadSecret(file, name+"_FILE")
			return value, file, err
		}
	}
	return "", "", nil
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
