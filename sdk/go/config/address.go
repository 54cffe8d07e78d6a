// Package config reads where a server is, and where its password is, from a URL and the environment. It needs the standard library
// alone. The language is described in sdk/python/hanzo_kv/address.py and config.py; sdk/cases.json holds all SDKs to it.
package config

import (
	"errors"
	"fmt"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	defaultPort  = 6379
	sentinelPort = 26379
	maxDB        = 1<<31 - 1
	schemes      = "redis, rediss, valkey, valkeys, kv, kvs, unix, and kv+socket, kv+sentinel, kv+cluster"
)

// Kinds of servers.
const (
	TCP      = "tcp"
	Unix     = "unix"
	Sentinel = "sentinel"
	Cluster  = "cluster"
)

var (
	families = map[string]bool{ // name -> TLS
		"redis": false, "valkey": false, "kv": false, "rediss": true, "valkeys": true, "kvs": true,
	}
	kinds = map[string]string{"": TCP, "sentinel": Sentinel, "cluster": Cluster, "socket": Unix} // what follows the +
)

// Node is a host and its port.
type Node struct {
	Host string
	Port int
}

// Address says where a server is, and who asks. Printing it shows no password.
type Address struct {
	Kind     string // TCP, Unix, Sentinel or Cluster
	TLS      bool
	Nodes    []Node // one for TCP, none for Unix
	Path     string // of a unix socket
	Master   string // the name that sentinels know the primary by
	DB       int
	Username string
	Password string
	Options  map[string]string // what else the query says, for the client library
}

// String is the URL with *** for the password, and without the options.
func (a Address) String() string {
	shown := a
	shown.Options = nil
	if a.Password != "" {
		shown.Password = "***"
	}
	return strings.Replace(shown.URL(), "%2A%2A%2A", "***", 1)
}

// GoString is String: %#v shows no password either.
func (a Address) GoString() string { return a.String() }

// URL is the address as a URL that redis-py, ioredis and go-redis read; with + in its scheme, that only these SDKs read.
func (a Address) URL() string {
	scheme := map[string]string{TCP: "redis", Unix: "unix", Sentinel: "kv+sentinel", Cluster: "kv+cluster"}[a.Kind]
	if a.TLS {
		scheme = map[string]string{TCP: "rediss", Sentinel: "kvs+sentinel", Cluster: "kvs+cluster"}[a.Kind]
	}
	user := encode(a.Username)
	if a.Password != "" {
		user += ":" + encode(a.Password)
	}
	if user != "" {
		user += "@"
	}
	hosts := make([]string, len(a.Nodes))
	for i, node := range a.Nodes {
		hosts[i] = encode(node.Host) + ":" + strconv.Itoa(node.Port)
		if strings.Contains(node.Host, ":") {
			hosts[i] = "[" + node.Host + "]:" + strconv.Itoa(node.Port)
		}
	}
	path := "/" + strconv.Itoa(a.DB)
	var query []string
	if a.Kind == Unix {
		path = strings.ReplaceAll(encode(a.Path), "%2F", "/")
		query = append(query, "db="+strconv.Itoa(a.DB))
	}
	if a.Master != "" {
		query = append(query, "mastername="+encode(a.Master))
	}
	if query = append(query, encodeOptions(a.Options)...); len(query) > 0 {
		path += "?" + strings.Join(query, "&")
	}
	return scheme + "://" + user + strings.Join(hosts, ",") + path
}

func encodeOptions(options map[string]string) []string {
	var pairs []string
	for name, value := range options {
		pairs = append(pairs, encode(name)+"="+encode(value))
	}
	sort.Strings(pairs)
	return pairs
}

// ParseURL reads a URL. Errors begin with source, and repeat no part of the URL: a password that is not percent-encoded may stand in
// any part.
func ParseURL(text, source string) (Address, error) {
	scheme, rest, found := strings.Cut(strings.TrimSpace(text), "://")
	if !found {
		scheme = ""
	}
	kind, tls, err := parseScheme(scheme, source)
	if err != nil {
		return Address{}, err
	}
	rest, query, _ := strings.Cut(rest, "?")
	authority, path, slash := strings.Cut(rest, "/")
	if strings.Contains(text, "#") || strings.ContainsRune(path, '@') || strings.ContainsRune(query, '@') {
		return Address{}, encodingError(source)
	}
	address := Address{Kind: kind, TLS: tls}
	hosts := authority
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		hosts = authority[at+1:]
		if err = address.parseUser(authority[:at], source); err != nil {
			return Address{}, err
		}
	}
	if address.Options, err = parseQuery(query, source); err != nil {
		return Address{}, err
	}
	if path, err = decode(path, source, false); err != nil {
		return Address{}, err
	}
	if slash && kind == Unix {
		address.Path = "/" + path
	}
	return address, address.finish(hosts, path, source)
}

func (a *Address) parseUser(userinfo, source string) (err error) {
	username, password, _ := strings.Cut(userinfo, ":")
	if a.Username, err = decode(username, source, false); err != nil {
		return err
	}
	a.Password, err = decode(password, source, false)
	return err
}

// finish reads what depends on the kind: the hosts, and the options that are ours.
func (a *Address) finish(hosts, path, source string) (err error) {
	db, master := a.take("db"), a.take("mastername")
	if user := a.take("username"); a.Username == "" {
		a.Username = user
	}
	if password := a.take("password"); a.Password == "" {
		a.Password = password
	}
	switch {
	case a.Kind == Unix && (hosts != "" || len(a.Path) < 2):
		return errors.New(source + ": a unix socket is written as unix:///path")
	case a.Kind == TCP && strings.Contains(hosts, ","):
		return errors.New(source + ": several hosts are for kv+sentinel and kv+cluster")
	case a.Kind == Sentinel && master == "":
		return errors.New(source + ": kv+sentinel needs ?mastername=")
	}
	port := defaultPort
	if a.Kind == Sentinel {
		a.Master, port = master, sentinelPort
	}
	if db == "" && a.Kind != Unix {
		db = path
	}
	if db != "" {
		if a.DB, err = parseDB(db, source); err != nil {
			return err
		}
	}
	if a.Kind != Unix {
		a.Nodes, err = parseNodes(hosts, port, source)
	}
	return err
}

func (a *Address) take(name string) string {
	value := a.Options[name]
	delete(a.Options, name)
	return value
}

// saysDB tells whether a URL that ParseURL took names a database.
func saysDB(text string) bool {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(text), "://")
	rest, query, _ := strings.Cut(rest, "?")
	for _, pair := range strings.Split(query, "&") {
		if name, value, _ := strings.Cut(pair, "="); name == "db" && value != "" {
			return true
		}
	}
	kind, _, _ := parseScheme(scheme, "")
	_, path, _ := strings.Cut(rest, "/")
	return kind != Unix && path != ""
}

func parseScheme(scheme, source string) (kind string, tls bool, err error) {
	name, suffix, plus := strings.Cut(strings.ToLower(scheme), "+")
	if name == "unix" && !plus {
		return Unix, false, nil
	}
	tls, known := families[name]
	kind, fits := kinds[suffix]
	if !known || !fits || plus && suffix == "" || tls && kind == Unix {
		return "", false, errors.New(source + ": the scheme is none of " + schemes)
	}
	return kind, tls, nil
}

func parseNodes(text string, port int, source string) (nodes []Node, err error) {
	for _, part := range strings.Split(text, ",") {
		node, err := parseNode(part, port, source)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, node)
	}
	return nodes, nil
}

// parseNode reads host, host:port, [IPv6] or [IPv6]:port.
func parseNode(text string, port int, source string) (node Node, err error) {
	host, number, _ := strings.Cut(text, ":")
	if strings.HasPrefix(text, "[") {
		inside, after, closed := strings.Cut(text[1:], "]")
		if !closed || inside == "" || after != "" && after[0] != ':' {
			return Node{}, errors.New(source + ": an IPv6 address is written as [::1]:6379")
		}
		host, number = inside, strings.TrimPrefix(after, ":")
	} else if host, err = decode(host, source, false); err != nil {
		return Node{}, err
	}
	if host == "" {
		host = "localhost"
	}
	if number != "" {
		port, err = parsePort(number, source)
	}
	return Node{host, port}, err
}

func parsePort(text, source string) (int, error) {
	if number, ok := parseDigits(text, 5); ok && number >= 1 && number <= 65535 {
		return number, nil
	}
	return 0, errors.New(source + ": the port is not a number from 1 to 65535")
}

func parseDB(text, source string) (int, error) {
	if number, ok := parseDigits(text, 10); ok && number <= maxDB {
		return number, nil
	}
	return 0, errors.New(source + ": the database is not a number from 0")
}

func parseDigits(text string, most int) (int, bool) {
	if text == "" || len(text) > most || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	number, err := strconv.ParseInt(text, 10, 64)
	return int(number), err == nil && int64(int(number)) == number
}

// parseQuery reads name=value pairs; of a name that comes twice the last one counts.
func parseQuery(query, source string) (map[string]string, error) {
	options := map[string]string{}
	for _, pair := range strings.Split(query, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := decode(rawName, source, true)
		if err != nil {
			return nil, err
		}
		if options[name], err = decode(rawValue, source, true); err != nil {
			return nil, err
		}
	}
	return options, nil
}

// decode takes percent-encoding away; in a query (plus) a + is a space.
func decode(text, source string, plus bool) (string, error) {
	unescape := url.PathUnescape
	if plus {
		unescape = url.QueryUnescape
	}
	decoded, err := unescape(text)
	if err != nil || !utf8.ValidString(decoded) {
		return "", encodingError(source)
	}
	return decoded, nil
}

func encodingError(source string) error {
	return fmt.Errorf("%s: in a user or password @ / ? # %% are written %%40 %%2F %%3F %%23 %%25", source)
}

// encode writes all but A-Z a-z 0-9 - . _ ~ percent-encoded, which every reader takes for what it is.
func encode(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}
