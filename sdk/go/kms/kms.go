// Package kms gets the password from Hanzo KMS, over the two wire forms that sdk/python/hanzo_kv/kms.py describes. It needs the
// standard library alone. No error or log line has a password, token or client secret.
package kms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hanzokv/go/v9/config"
	"github.com/hanzokv/go/v9/logs"
)

const (
	attempts     = 3                      // at a KMS that is not reached, or answers 429 or 5xx
	backoff      = 100 * time.Millisecond // after the first of them, then twice as long
	expiryMargin = 10 * time.Second       // a token is renewed so long before its end
	maxBytes     = 1 << 20                // of an answer
	timeout      = 5 * time.Second        // of one request
)

// Error says why the KMS gave no password.
type Error struct{ text string }

func (e *Error) Error() string { return e.text }

var (
	errOtherForm = errors.New("404, or no JSON: whoever answered does not speak this form")
	errToken     = &Error{"KMS: the token was refused (401)"}
)

func fail(format string, words ...interface{}) error {
	return &Error{fmt.Sprintf("KMS: "+format, words...)}
}

type token struct {
	text  string
	until time.Time
}

// Client asks one KMS for one secret. Goroutines may share it.
type Client struct {
	Now func() time.Time // the clock

	place  config.KMS
	http   *http.Client
	lock   sync.Mutex
	tokens map[string]token // form -> what its login gave
	form   string           // the one that worked
	fixed  string           // the environment's token, until it is refused
}

// New asks for nothing yet.
func New(place config.KMS) *Client {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // the client secret goes to nobody else
	return &Client{
		Now: time.Now, place: place, http: &http.Client{Timeout: timeout, CheckRedirect: stay},
		tokens: map[string]token{}, fixed: place.Token,
	}
}

// String shows the place alone.
func (c *Client) String() string { return c.place.String() }

// GoString is String.
func (c *Client) GoString() string { return c.place.String() }

// Password is the secret's value now. Errors are *Error, or the context's.
func (c *Client) Password(ctx context.Context) (string, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	start := time.Now()
	forms := []string{"B", "A"}
	if c.form == "A" {
		forms = []string{"A", "B"}
	}
	for _, form := range forms {
		value, err := c.ask(ctx, form)
		if errors.Is(err, errOtherForm) {
			continue
		}
		if err == nil {
			c.form = form
			logs.Write(ctx, "info", "password resolved", logs.Fields{Source: "kms", Form: form, Latency: logs.Since(start)})
		}
		return value, err
	}
	c.form = ""
	p := c.place
	return "", fail("no secret %s at %s in %s of %s, or no KMS at this address", p.Name, p.Path, p.Environment, p.Project)
}

// ask with the token that we have, then with a new one.
func (c *Client) ask(ctx context.Context, form string) (string, error) {
	read := c.readB
	if form == "A" {
		read = c.readA
	}
	if c.fixed != "" {
		value, err := read(ctx, c.fixed)
		if !errors.Is(err, errToken) || c.place.ClientID == "" {
			return value, err
		}
		c.fixed = ""
	}
	if known, ok := c.tokens[form]; ok && c.Now().Before(known.until) {
		value, err := read(ctx, known.text)
		if !errors.Is(err, errToken) {
			return value, err
		}
		delete(c.tokens, form)
	}
	text, err := c.login(ctx, form)
	if err != nil {
		return "", err
	}
	return read(ctx, text)
}

func (c *Client) login(ctx context.Context, form string) (string, error) {
	path := "/v1/kms/auth/login"
	if form == "A" {
		path = "/api/v1/auth/universal-auth/login"
	}
	body, err := json.Marshal(map[string]string{"clientId": c.place.ClientID, "clientSecret": c.place.ClientSecret})
	if err != nil {
		return "", err
	}
	var answer struct {
		AccessToken interface{} `json:"accessToken"`
		ExpiresIn   interface{} `json:"expiresIn"`
	}
	status, err := c.request(ctx, path, body, "", &answer)
	if err != nil {
		return "", err
	}
	if status == 400 || status == 401 || status == 403 {
		return "", fail("the client id or secret was refused (%d)", status)
	}
	text, _ := answer.AccessToken.(string)
	if status != 200 || text == "" {
		return "", fail("the login gave no token (%d)", status)
	}
	seconds, _ := answer.ExpiresIn.(float64)
	c.tokens[form] = token{text, c.Now().Add(time.Duration(seconds*float64(time.Second)) - expiryMargin)}
	return text, nil
}

func (c *Client) readB(ctx context.Context, token string) (string, error) {
	path := "/v1/kms/orgs/" + escape(c.place.Org) + "/secrets"
	for _, part := range append(strings.Split(c.place.Path, "/"), c.place.Name) {
		if part != "" {
			path += "/" + escape(part)
		}
	}
	var answer struct {
		Secret json.RawMessage `json:"secret"`
	}
	if err := c.read(ctx, path+"?"+url.Values{"env": {c.place.Environment}}.Encode(), token, &answer); err != nil {
		return "", err
	}
	var secret struct {
		Value interface{} `json:"value"`
	}
	_ = json.Unmarshal(answer.Secret, &secret) // what is no object has no value
	return c.value(secret.Value)
}

func (c *Client) readA(ctx context.Context, token string) (string, error) {
	query := url.Values{
		"environment": {c.place.Environment}, "workspaceSlug": {c.place.Project}, "secretPath": {c.place.Path},
	}
	var answer struct {
		Secrets json.RawMessage `json:"secrets"`
	}
	if err := c.read(ctx, "/api/v3/secrets/raw?"+query.Encode(), token, &answer); err != nil {
		return "", err
	}
	var secrets []struct {
		Key   interface{} `json:"secretKey"`
		Value interface{} `json:"secretValue"`
	}
	_ = json.Unmarshal(answer.Secrets, &secrets) // what is no list has no secret
	for _, secret := range secrets {
		if secret.Key == c.place.Name {
			return c.value(secret.Value)
		}
	}
	return "", errOtherForm
}

func (c *Client) read(ctx context.Context, path, token string, answer interface{}) error {
	status, err := c.request(ctx, path, nil, token, answer)
	switch {
	case err != nil:
		return err
	case status == 401:
		return errToken
	case status == 403:
		return fail("reading %s is forbidden (403)", c.place.Name)
	case status != 200:
		return fail("answered %d", status)
	}
	return nil
}

func (c *Client) value(value interface{}) (string, error) {
	text, _ := value.(string)
	if text == "" {
		return "", fail("the secret %s is empty", c.place.Name)
	}
	return text, nil
}

// request is tried again where that helps.
func (c *Client) request(ctx context.Context, path string, body []byte, token string, answer interface{}) (int, error) {
	var problem error
	for attempt := 0; attempt < attempts; attempt++ {
		if attempt > 0 {
			select {
			case <-time.After(backoff << (attempt - 1)):
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		status, content, err := c.send(ctx, path, body, token)
		switch {
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case err != nil:
			problem = fail("cannot be reached") // not err, whose text has the URL
			continue
		case status == 429 || status >= 500:
			problem = fail("answered %d", status)
			continue
		case status >= 300 && status < 400:
			return 0, fail("redirects (%d); set HANZO_KMS_URL to the place itself", status)
		case status == 404 || !isObject(content):
			return 0, errOtherForm
		}
		return status, json.Unmarshal(content, answer)
	}
	return 0, problem
}

func isObject(content []byte) bool {
	return json.Valid(content) && bytes.HasPrefix(bytes.TrimLeft(content, " \t\r\n"), []byte("{"))
}

func (c *Client) send(ctx context.Context, path string, body []byte, token string) (int, []byte, error) {
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(ctx, method, c.place.URL+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "hanzo-kv")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxBytes))
	return response.StatusCode, content, err
}

func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
